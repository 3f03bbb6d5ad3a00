"""Real nodes say why: a task that hangs, a verdict, a score, and what two nodes differ in."""

import json
from pathlib import Path

import pytest

from tests.loopback.nodes import aimarket, street, until, wait_capable, wait_equal, wait_final

pytestmark = pytest.mark.e2e


def test_explain__tells_why_a_task_hangs_and_then_why_it_is_final(tmp_path: Path) -> None:
    with street(tmp_path) as found:
        alice, bob = found.open("alice", "bob")
        task_id = alice.submit("what a day")

        hanging = aimarket(found.home, "explain", task_id[:8], "--id", "alice")
        carole = found.node("carole")
        carole.launch("--bootstrap", alice.address)
        carole.wait_ready()
        wait_capable(alice, 2)
        wait_final(alice, [task_id], within_s=30)
        wait_equal([alice, bob, carole], within_s=30)
        answer = alice.ask(f"/tasks/{task_id}")["answer"]
        final = aimarket(found.home, "explain", task_id[:8], "--id", "bob", "--json")
        worker = aimarket(found.home, "explain", "bob", "--id", "carole")
        record_id = json.loads(final.stdout)["task"]["records"][0]["record_id"]
        record = aimarket(found.home, "explain", record_id, "--id", "alice")
        proofs = [
            aimarket(found.home, "certificate", task_id[:8], "--id", name).stdout
            for name in ("alice", "carole")
        ]

        def equal() -> bool:
            return aimarket(found.home, "diff", "--of", "bob", "--id", "alice").returncode == 0

        until(equal, within_s=20, what="alice and bob are found equal")

    assert hanging.returncode == 0, hanging.stderr
    assert "it needs 2 workers; only 1 node that can run echo is live" in hanging.stdout
    told = json.loads(final.stdout)["task"]
    assert (told["state"], told["answer"], told["next"]) == ("final", answer, [])
    assert sum(juror["points"] for juror in told["jurors"]) == 2
    assert [one["kind"] for one in told["records"]] == [
        *("task", "commit", "commit", "jury", "reveal", "reveal")
    ]
    assert all(one["record_id"] for one in told["records"])
    assert "points = 1" in worker.stdout
    assert "its journal holds it" in record.stdout
    assert proofs[0] == proofs[1]
    (tmp_path / "proof.json").write_text(proofs[0])
    verified = aimarket(tmp_path, "verify", str(tmp_path / "proof.json"), "--task", task_id)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "final unless void" in verified.stdout
