"""Reports: one document of plain values, lines for people, and pictures."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.sim.experiment import run
from node.sim.options import Options
from node.sim.plot import NoMatplotlib, check, draw
from node.sim.report import CAST_COLUMNS, Report, cast_rows, facts

MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml"}


@pytest.fixture(scope="module")
def report() -> Report:
    return run(Options(nodes=5, tasks=3, seed=7, adversaries=(("lazy", 2),), loss_ppm=50_000))


@pytest.fixture(scope="module")
def document(report: Report) -> dict[str, Any]:
    return report.document()


def test_document__survives_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document


def test_document__says_all_that_was_asked_for(report: Report, document: dict[str, Any]) -> None:
    options = report.options
    names = set(Options.__slots__)

    assert set(document["options"]) == names | {"authors_max"}
    assert document["options"]["adversaries"] == {"lazy": 2}
    assert document["options"]["loss_ppm"] == options.loss_ppm
    assert document["seed"] == 7
    assert len(bytes.fromhex(document["trace_hash"])) == 32


def test_shares__add_up(report: Report) -> None:
    shares, costs = report.shares(), report.costs

    assert report.hosts == 7
    assert shares["bytes_per_node"] * 7 == pytest.approx(costs.copy_bytes + costs.sync_bytes)
    assert shares["copies_per_task_and_node"] * 7 * 3 == pytest.approx(costs.task_copies)
    # Everybody said its profile before the first task, most of them when nobody was there yet.
    assert costs.task_messages == costs.published - costs.presences - report.hosts
    assert 0 < costs.task_copies <= costs.copies - costs.presence_copies
    assert 0 < costs.presence_bytes < costs.copy_bytes


def test_facts__name_what_matters(document: dict[str, Any]) -> None:
    said = dict(facts(document))

    assert said["nodes"] == "5 honest, 2 lazy, on 7 hosts"
    assert said["tasks"].startswith("3: ")
    assert "by the odds" in said["wrong verdicts"]
    assert "p50" in said["time to final"]
    assert said["trace hash"] == document["trace_hash"]


def test_facts__say_what_did_not_come_about(report: Report) -> None:
    late = replace(report, times=replace(report.times, equal_ms=None, settled_ms=None))

    said = dict(facts(late.document()))

    assert said["all logs equal"] == said["all tasks settled"] == "not in time"


def test_facts__own_up_to_room_that_is_not_the_default(report: Report) -> None:
    larger = replace(report, options=replace(report.options, nodes=6_000))

    assert any("authors_max raised to 6004" in value for _, value in facts(larger.document()))


def test_cast_rows__have_a_row_for_each_kind(document: dict[str, Any]) -> None:
    rows = cast_rows(document)

    assert [row[0] for row in rows] == ["honest", "lazy"]
    assert all(len(row) == len(CAST_COLUMNS) for row in rows)


@pytest.mark.parametrize("suffix", sorted(MAGIC))
def test_draw__makes_the_same_picture_each_time(
    document: dict[str, Any], tmp_path: Path, suffix: str
) -> None:
    first, again = tmp_path / f"first{suffix}", tmp_path / f"again{suffix}"

    draw(document, first)
    draw(document, again)

    assert first.read_bytes().startswith(MAGIC[suffix])
    assert first.read_bytes() == again.read_bytes()


def test_draw__has_something_to_show_when_nothing_came_about(
    report: Report, tmp_path: Path
) -> None:
    nothing = replace(
        report, waits_ms=[], times=replace(report.times, equal_ms=None), samples=report.samples[:1]
    )

    draw(nothing.document(), tmp_path / "nothing.png")

    assert (tmp_path / "nothing.png").read_bytes().startswith(MAGIC[".png"])


def test_check__says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(NoMatplotlib, match="pip install 'matplotlib"):
        check()
