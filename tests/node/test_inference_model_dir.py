"""What a model directory may hold (scenario M1), and the name a model gets."""

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from node.errors import StartError
from node.inference.model_digest import check_model_dir, listed_files_only, model_digest
from node.inference.models import default_model_dir, find_model_dir, require_libraries
from tests.node.inference_builders import CONFIG, WEIGHTS, a_model_dir


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, (f"open({str(self._path)!r}, 'w').close()",)


def refusal(model_dir: Path) -> str:
    with pytest.raises(StartError) as caught:
        check_model_dir(model_dir)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_check_model_dir__accepts_the_embedded_model() -> None:
    check_model_dir(default_model_dir())


def test_check_model_dir__accepts_the_least_model(tmp_path: Path) -> None:
    check_model_dir(a_model_dir(tmp_path))


@pytest.mark.parametrize("suffix", ["bin", "pt", "pth", "pkl", "ckpt", "pickle", "BIN"])
def test_check_model_dir__refuses_pickles_without_reading_them(tmp_path: Path, suffix: str) -> None:
    canary = tmp_path / "canary"
    model_dir = a_model_dir(tmp_path, **{f"extra.{suffix}": pickle.dumps(Canary(canary))})

    message = refusal(model_dir)

    assert f"extra.{suffix}" in message
    assert not canary.exists()


def test_check_model_dir__refuses_code_in_any_folder(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path)
    (model_dir / "deep" / "deeper").mkdir(parents=True)
    (model_dir / "deep" / "deeper" / "modeling_x.py").write_text("raise SystemExit")

    assert "modeling_x.py" in refusal(model_dir)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "settings",
    [
        {"auto_map": {"AutoModel": "modeling_x.X"}},
        {"trust_remote_code": True},
        {"text_config": [{"auto_map": {}}]},
    ],
)
def test_check_model_dir__refuses_settings_that_ask_for_code(
    tmp_path: Path, name: str, settings: dict[str, object]
) -> None:
    model_dir = a_model_dir(tmp_path, **{name: json.dumps(settings).encode()})

    assert f"/{name}: " in refusal(model_dir)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_check_model_dir__names_what_is_missing(tmp_path: Path, name: str) -> None:
    model_dir = a_model_dir(tmp_path)
    (model_dir / name).unlink()

    assert f"{name} is missing" in refusal(model_dir)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_check_model_dir__refuses_a_config_that_is_no_json_object(
    tmp_path: Path, body: bytes
) -> None:
    assert "config.json" in refusal(a_model_dir(tmp_path, **{"config.json": body}))


@pytest.mark.parametrize(
    "weights",
    [b"", b"\x02", (2**63).to_bytes(8, "little") + b"{}", (3).to_bytes(8, "little") + b"{}"],
)
def test_check_model_dir__refuses_absurd_weights(tmp_path: Path, weights: bytes) -> None:
    model_dir = a_model_dir(tmp_path, **{"model.safetensors": weights})

    assert "model.safetensors: not safetensors" in refusal(model_dir)


def test_check_model_dir__refuses_a_link_out_of_the_tree(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path)
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(WEIGHTS)
    (model_dir / "model.safetensors").unlink()
    (model_dir / "model.safetensors").symlink_to(outside)

    assert "leads out of the model directory" in refusal(model_dir)


def test_check_model_dir__accepts_a_link_inside_the_tree(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path)
    (model_dir / "tokenizer.json").rename(model_dir / "words.json")
    (model_dir / "tokenizer.json").symlink_to("words.json")

    check_model_dir(model_dir)


def test_check_model_dir__refuses_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "not a directory" in refusal(tmp_path / "file")
    assert "not a directory" in refusal(tmp_path / "nothing")


def test_check_model_dir__imports_no_model_library() -> None:
    code = (
        "import sys\n"
        "from node.inference import model_digest, models, registry\n"
        "assert len(registry.find_task_types()) >= 5\n"
        "model_digest.check_model_dir(models.default_model_dir())\n"
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"


def test_model_digest__golden_vector(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path, **{"tokenizer_config.json": b"{}", "README.md": b"words"})
    files = [
        ["config.json", hashlib.sha256(CONFIG).digest()],
        ["model.safetensors", hashlib.sha256(WEIGHTS).digest()],
        ["tokenizer.json", hashlib.sha256(b"{}").digest()],
        ["tokenizer_config.json", hashlib.sha256(b"{}").digest()],
    ]
    expected = hashlib.sha256(b"aimarket/model/1\0" + msgpack.packb([files, 256])).digest()

    digest = model_digest(model_dir, 256)

    assert digest == expected
    assert digest.hex() == "029e7ee01f108bb1a9d8e9fe8de1a43096d9c8c4d285c92b79d74c5cf246e906"


def test_model_digest__covers_every_listed_file_and_the_length(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path)
    before = model_digest(model_dir, 256)
    seen = {before, model_digest(model_dir, 128)}

    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (model_dir / name).write_bytes(b"changed")
        seen.add(model_digest(model_dir, 256))
    (model_dir / "notes.txt").write_bytes(b"not a part of the model")

    assert len(seen) == 6
    assert model_digest(model_dir, 256) in seen


def test_listed_files_only__hides_what_the_digest_does_not_cover(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path, **{"adapter_config.json": b"{}", "vocab.txt": b""})

    with listed_files_only(model_dir) as shown:
        names = sorted(path.name for path in shown.iterdir())

    assert names == ["config.json", "model.safetensors", "tokenizer.json"]
    assert not shown.exists()


@pytest.mark.parametrize("reference", ["./nowhere/model", "/nowhere", "nowhere", "a/b/c", "a/..b"])
def test_find_model_dir__says_there_is_no_model_at_a_path(tmp_path: Path, reference: str) -> None:
    with pytest.raises(StartError, match="no model at"):
        find_model_dir(reference, downloads_dir=tmp_path)


def test_require_libraries__says_what_to_install() -> None:
    require_libraries()
    with pytest.raises(StartError, match=r"pip install '\.\[ml\]'"):
        require_libraries(["no_such_library"])


def test_find_model_dir__returns_the_embedded_or_the_given_directory(tmp_path: Path) -> None:
    mine = a_model_dir(tmp_path)

    assert find_model_dir(None, downloads_dir=tmp_path) == default_model_dir()
    assert find_model_dir(str(mine), downloads_dir=tmp_path) == mine


def test_find_model_dir__serves_a_fetched_model_without_a_network(tmp_path: Path) -> None:
    mine = a_model_dir(tmp_path)
    mine.rename(tmp_path / "some--model")

    assert find_model_dir("some/model", downloads_dir=tmp_path) == tmp_path / "some--model"


def test_find_model_dir__gives_up_at_once_without_a_network(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from node.errors import StartError\n"
        "from node.inference.models import find_model_dir\n"
        "try:\n"
        "    find_model_dir('some/model', downloads_dir=pathlib.Path(sys.argv[1]))\n"
        "except StartError as error:\n"
        "    print(error)\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"HF_ENDPOINT": "http://127.0.0.1:1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )

    assert said.stdout.startswith("cannot fetch some/model from the hub: ")
    assert said.stdout.count("\n") == 1
