"""Names a model by its files, and refuses directories that hold more than data.

Nothing here imports a model library: what is refused has been looked at, never loaded.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack

from node.errors import StartError
from protocol.ids import Digest, sha256

DIGEST_DOMAIN = b"aimarket/model/1\0"
WEIGHTS_FILE = "model.safetensors"
REQUIRED_FILES = ("config.json", WEIGHTS_FILE, "tokenizer.json")
LISTED_PATTERNS = ("config.json", "*.safetensors", "tokenizer.json", "tokenizer_config.json")
SETTINGS_FILES = ("config.json", "tokenizer_config.json")

# Formats that run code when they are read. Their mere presence is refused, used or not.
PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".ckpt", ".pickle"})
CODE_SUFFIXES = frozenset({".py", ".pyc", ".so"})
CODE_SETTINGS = frozenset({"auto_map", "trust_remote_code", "custom_pipelines"})

FILES_MAX = 1000  # a guess: model directories have a dozen
SETTINGS_BYTES_MAX = 8 << 20  # a guess: a config with ten thousand labels has one megabyte
HEADER_BYTES_MAX = 100_000_000  # the limit of the safetensors library
_HEADER_LENGTH_BYTES = 8


def listed_files(model_dir: Path) -> list[Path]:
    """Return the files that make up a model, ascending by name."""
    found = {path for pattern in LISTED_PATTERNS for path in model_dir.glob(pattern)}
    return sorted((path for path in found if path.is_file()), key=lambda path: path.name)


def model_digest(model_dir: Path, max_length: int) -> Digest:
    """Return the digest that stands for a model in every task and every presence.

    Two nodes with equal digests run equal weights on equally cut texts.

    Args:
        model_dir: A directory that passed `check_model_dir`.
        max_length: Where the task type cuts texts, in pieces.

    Raises:
        StartError: A file cannot be read.
    """
    files = [[path.name, _file_digest(path)] for path in listed_files(model_dir)]
    packed: bytes = msgpack.packb([files, max_length])
    return Digest(sha256(DIGEST_DOMAIN, packed))


def check_model_dir(model_dir: Path) -> None:
    """Refuse a directory that lacks a part of a model, or holds anything that could run.

    Raises:
        StartError: One line that names the file and what is wrong with it.
    """
    if not model_dir.is_dir():
        raise StartError(f"no model at {model_dir}: not a directory")
    for path in _entries(model_dir):
        _check_entry(path, model_dir)
    for name in REQUIRED_FILES:
        if not (model_dir / name).is_file():
            raise StartError(
                f"no model at {model_dir}: {name} is missing; need {', '.join(REQUIRED_FILES)}"
            )
    for name in SETTINGS_FILES:
        path = model_dir / name
        if path.exists():
            _check_settings(path)
    for path in model_dir.glob("*.safetensors"):
        _check_header(path)


@contextmanager
def listed_files_only(model_dir: Path) -> Iterator[Path]:
    """Lend a directory that shows the files of the digest and no others.

    A loader looks for many more names than the digest covers (adapters, word lists, templates);
    through this directory it cannot find them.
    """
    with tempfile.TemporaryDirectory(prefix="aimarket-model-") as name:
        shown = Path(name)
        for path in listed_files(model_dir):
            (shown / path.name).symlink_to(path.resolve())
        yield shown


def _entries(model_dir: Path) -> Iterator[Path]:
    """Yield everything below a directory, without following links to directories."""
    count = 0
    for parent, folders, files in os.walk(model_dir, followlinks=False):
        for name in sorted(folders) + sorted(files):
            count += 1
            if count > FILES_MAX:
                raise StartError(f"{model_dir}: more than {FILES_MAX} files; not a model directory")
            yield Path(parent, name)


def _check_entry(path: Path, model_dir: Path) -> None:
    suffix = path.suffix.lower()
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(model_dir.resolve()):
            raise StartError(f"{path}: leads out of the model directory; put the file itself there")
        suffix = suffix or target.suffix.lower()
    if suffix in PICKLE_SUFFIXES:
        raise StartError(f"{path}: a pickle format can run code; only safetensors is accepted")
    if suffix in CODE_SUFFIXES:
        raise StartError(f"{path}: a model directory may hold no code")


def _check_settings(path: Path) -> None:
    if path.stat().st_size > SETTINGS_BYTES_MAX:
        raise StartError(f"{path}: larger than {SETTINGS_BYTES_MAX} bytes")
    try:
        settings = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise StartError(f"{path}: not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise StartError(f"{path}: not a JSON object")
    asked = _code_setting(settings)
    if asked is not None:
        raise StartError(f"{path}: `{asked}` asks to run code that came with the model")


def _code_setting(value: Any) -> str | None:
    """Return the name of a setting, however deep, that would have code loaded."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            for name in current:
                if name in CODE_SETTINGS:
                    return str(name)
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)
    return None


def _check_header(path: Path) -> None:
    """Refuse weights whose header claims more than there is; reading it would take all memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_LENGTH_BYTES), "little")
    room = size - _HEADER_LENGTH_BYTES
    if length > min(room, HEADER_BYTES_MAX) or length < 2:
        limit = max(0, min(room, HEADER_BYTES_MAX))
        raise StartError(
            f"{path}: not safetensors: a header of {length} bytes; at most {limit} fit"
        )


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from error
