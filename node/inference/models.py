"""Finds the model an operator names: the embedded one, a directory, or a model of the hub."""

import importlib.resources
import importlib.util
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from node.errors import StartError
from node.inference.model_digest import LISTED_PATTERNS, REQUIRED_FILES, check_model_dir

ML_LIBRARIES = ("torch", "transformers")
EMBEDDED_FOR = "sentiment"  # the one task type that the embedded model was made for
HUB_WAIT_S = 10  # a guess: how long the hub may take to answer before we call it unreachable
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")


def default_model_dir() -> Path:
    """Return where the embedded model lies."""
    return Path(str(importlib.resources.files("node.inference") / "default_model"))


def find_model_dir(reference: str | None, *, downloads_dir: Path) -> Path:
    """Return the checked directory of a model; waits for the disk, and perhaps for the hub.

    A model of the hub is asked for once; afterwards the copy in `downloads_dir` serves, without a
    network.

    Args:
        reference: None for the embedded model, or a directory, or a hub id `organisation/name`.
        downloads_dir: Where models of the hub are put.

    Raises:
        StartError: There is no such model, it cannot be fetched, or it is not safe to load.
    """
    model_dir = default_model_dir() if reference is None else _named(reference, downloads_dir)
    check_model_dir(model_dir)
    return model_dir


def require_libraries(libraries: Sequence[str] = ML_LIBRARIES) -> None:
    """Refuse to start a model task type where its libraries are not installed.

    Cheap: looks for them without importing them.

    Raises:
        StartError: One of them is missing.
    """
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise StartError(
                f"{library} is not installed; in our repository run: pip install '.[ml]'"
            )


def _named(reference: str, downloads_dir: Path) -> Path:
    path = Path(reference).expanduser()
    if path.exists():
        return path
    if _HUB_ID.fullmatch(reference) is None or ".." in reference:
        raise StartError(f"no model at {reference}")
    target = downloads_dir / reference.replace("/", "--")
    try:
        check_model_dir(target)
    except StartError:
        _download(reference, target)
    return target


def _download(hub_id: str, target: Path) -> None:
    """Fetch the files of the digest, and no others, as real files."""
    require_libraries()
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        # One question with one answer first: the downloader itself would retry for most of a
        # minute before it said that there is no network.
        found = HfApi().model_info(hub_id, timeout=HUB_WAIT_S)
        names = [one.rfilename for one in found.siblings or ()]
        lacking = [name for name in REQUIRED_FILES if name not in names]
        if lacking:
            raise StartError(f"{hub_id} on the hub has no {lacking[0]}; only safetensors is run")
        for name in names:
            if "/" not in name and any(fnmatch(name, pattern) for pattern in LISTED_PATTERNS):
                hf_hub_download(
                    hub_id,
                    name,
                    revision=found.sha,
                    local_dir=target,
                    etag_timeout=HUB_WAIT_S,
                )
    except StartError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise StartError(f"no model {hub_id}: not a directory; the hub says {status}") from error
    # Which HTTP library is beneath, and what it raises, changes with the release of the hub's.
    except Exception as error:
        raise StartError(f"cannot fetch {hub_id} from the hub: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
