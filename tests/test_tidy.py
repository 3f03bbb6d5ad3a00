"""What no linter checks: the house rules that keep nodes equal, and files readable."""

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES_MAX = 350
AGREEING = ("protocol", "consensus", "node/core")
PACKAGES = ("protocol", "consensus", "bootstrap", "node", "tests", "bench", "tools", "examples")
VAGUE_NAMES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", list(python_files(*PACKAGES)), ids=names)
def test_file__is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()

    assert len(text.splitlines()) <= LINES_MAX
    assert path.name not in VAGUE_NAMES
    if path.is_relative_to(ROOT / "tests"):
        return
    assert ast.get_docstring(ast.parse(text)), "a file opens with what it is for"


@pytest.mark.parametrize("path", list(python_files(*AGREEING)), ids=names)
def test_agreeing_code__has_no_floats_and_no_hash(path: Path) -> None:
    """Where nodes must agree nothing may depend on rounding or on the hash seed."""
    wrong: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            wrong.append(f"line {line}: the float {node.value}")
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            wrong.append(f"line {line}: a true division")
        called = _called(node)
        if called in ("float", "hash", "id", "round"):
            wrong.append(f"line {line}: {called}()")

    assert wrong == []


def test_wheel__carries_the_model_the_page_and_every_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]

    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    model = "node/inference/default_model"
    assert {f"{model}/model.safetensors", f"{model}/tokenizer.json"} <= held
    page = {names(path) for path in (ROOT / "node/rpc/static").rglob("*") if path.is_file()}
    assert "node/rpc/static/index.html" in page
    assert page <= held
    assert {"protocol/record.py", "consensus/replay.py", "bootstrap/join.py"} <= held
    assert not any(name.startswith(("tests/", "bench/", "tools/", "examples/")) for name in held)


def _called(node: ast.AST) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""
