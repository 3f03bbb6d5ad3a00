"""Every code that a refusal can have stands in the table of them, and no other does."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_SERVED = "sim"  # a folder that no node runs
ROW = re.compile(r"^\| (\d{3}) \| [^|]* \| ([^|]*) \|$", re.MULTILINE)


def test_codes__are_all_documented_with_their_status() -> None:
    in_code = {found for path in sources() for found in refusals(ast.parse(path.read_text()))}
    in_table = {
        (int(status), code)
        for status, codes in ROW.findall((ROOT / "docs/rpc.md").read_text())
        for code in re.findall(r"`([a-z_]+)`", codes)
    }

    assert len(in_code) >= 50
    assert in_table == in_code


def sources() -> list[Path]:
    """Return the files of the node."""
    return [path for path in (ROOT / "node").rglob("*.py") if NOT_SERVED not in path.parts]


def refusals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each status that is followed by a code: in a call, a tuple, or a dictionary."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from pairs(node.args)
        elif isinstance(node, ast.Tuple):
            yield from pairs(node.elts)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield from pairs([key, value])


def pairs(parts: list[ast.expr | None] | list[ast.expr]) -> Iterator[tuple[int, str]]:
    """Yield each number of a refusal that a word of one stands behind: `404`, `"503 Not now"`."""
    values = [str(part.value) if isinstance(part, ast.Constant) else "" for part in parts]
    for status, code in pairwise(values):
        if re.match(r"[45]\d\d($| )", status) and re.fullmatch(r"[a-z_]+", code):
            yield int(status[:3]), code
