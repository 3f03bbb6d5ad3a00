"""`aimarket simulate`, in this process, with tiny worlds."""

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from node.cli import main
from node.commands_simulate import Teller, judge
from node.sim.options import Options
from node.sim.report import Sample

TINY = ["simulate", "--nodes", "5", "--tasks", "3", "--seed", "7"]


@dataclass
class Ended:
    code: int
    out: str
    err: str


def run_main(*args: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*TINY, *args])
    return Ended(code, out.getvalue(), err.getvalue())


def test_simulate__shows_a_report() -> None:
    ended = run_main()

    assert ended.code == 0
    assert ended.err == ""
    for said in ("5 honest", "3: 3 final", "model runs", "trace hash", "events a second", "seed 7"):
        assert said in ended.out
    assert "reputation" in ended.out


def test_simulate__prints_one_document() -> None:
    ended = run_main("--json", "--adversaries", "lazy:2", "--loss", "5%", "--delay", "20-40")

    found = json.loads(ended.out)
    kinds: dict[str, type | tuple[type, ...]] = {
        "seed": int,
        "trace_hash": str,
        "options": dict,
        "problems": list,
        "outcomes": dict,
        "schema": int,
        "casts": list,
        "times": dict,
        "costs": dict,
        "hosts": int,
        "log": dict,
        "events": int,
        "sessions": dict,
        "sometimes": dict,
        "waits_ms": list,
        "samples": list,
        "version": str,
        "commit": str,
        "python": str,
        "wall_s": float,
        "cpu_s": float,
        "events_per_s": int,
        "memory_bytes_max": int,
    }
    assert ended.code == 0
    assert set(found) == set(kinds)
    for name, kind in kinds.items():
        assert isinstance(found[name], kind), name
    assert found["problems"] == []
    assert found["options"]["loss_ppm"] == 50_000
    assert found["options"]["delay_least_ms"] == 20
    assert found["options"]["delay_most_ms"] == 40
    assert [one["cast"] for one in found["casts"]] == ["honest", "lazy"]


def test_simulate__repeats_a_run_by_its_seed() -> None:
    def hashed(*args: str) -> Any:
        return json.loads(run_main("--json", *args).out)["trace_hash"]

    first = hashed()

    assert hashed() == first
    assert hashed("--seed", "8") != first
    assert hashed("--loss", "1") != first


def test_judge__fails_when_a_promise_was_broken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as caught:
        judge(["logs differ", "task 12345678 of honest-2 is open at the end"])

    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == (
        "broken: logs differ\nbroken: task 12345678 of honest-2 is open at the end\n"
    )


def test_judge__says_nothing_when_all_were_kept(capsys: pytest.CaptureFixture[str]) -> None:
    judge([])

    assert capsys.readouterr().err == ""


def test_simulate__draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "report.svg"

    ended = run_main("--plot", str(picture))

    assert ended.code == 0
    assert picture.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--nodes", "2"], "--nodes 2: 3 seats need a quorum of 2"),
        (["--nodes", "1000000"], "--nodes 1000000: need 1 to 20000"),
        (["--seats", "32"], "--seats 32: need 1 to 31"),
        (["--tasks", "0"], "--tasks 0: need 1 to 1000000"),
        (["--loss", "51"], "--loss 51 %: need 0 % to 50 %"),
        (["--loss", "lots"], "--loss 'lots': need a number, in percent"),
        (["--delay", "100-10"], "--delay 100-10: the least is above the most"),
        (["--delay", "soon"], "--delay 'soon': need two whole numbers, such as 10-100"),
        (["--adversaries", "nobody:3"], "--adversaries 'nobody': unknown, there are lazy"),
        (["--adversaries", "lazy:0"], "--adversaries 'lazy:0': need a number from 1 to 20000"),
        (["--plot", "report.gif"], "--plot 'report.gif': need a name that ends in .svg or .png"),
        (["--plot", "/nowhere/at.svg"], "--plot '/nowhere/at.svg': there is no directory"),
    ],
)
def test_simulate__refuses_in_one_line(args: list[str], said: str) -> None:
    ended = run_main(*args)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith(f"Error: {said}")
    assert ended.err.count("\n") == 1


def test_simulate__says_at_once_that_matplotlib_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    ended = run_main("--plot", str(tmp_path / "report.svg"))

    assert ended.code == 2
    assert "drawing needs matplotlib: pip install 'matplotlib>=3.9'" in ended.err
    assert ended.out == ""


def test_teller__says_how_far_it_is_but_not_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 0.5, 1.5, 1.6])
    teller = Teller(Options(), lambda: next(seconds))
    sample = Sample(
        now_ms=12_000,
        known_min=9,
        records_min=10,
        records_median=12,
        records_max=15,
        logs=2,
        asked=8,
        final=7,
        copies=0,
        copy_bytes=0,
        presence_copies=0,
        presence_bytes=0,
        sync_bytes=0,
    )

    for phase in ("meet", "ask", "settle"):
        teller(phase, sample)

    said = capsys.readouterr().err
    assert said == (
        "2 s: 12 s simulated, 10 nodes, 7 of 20 tasks final, 10 to 15 records, 2 different logs\n"
    )
