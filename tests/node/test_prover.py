"""A node proves what its log says, and looks for the records without holding the loop."""

import pytest

from consensus.certificate_check import check
from node.certificate_reading import read_certificate
from node.errors import RequestRefused
from node.prover import NodeProver
from tests.builders import NOON_MS, a_record
from tests.certificates import DAY, TASK_ID
from tests.node.explain.doors import doors_of
from tests.node.sync_bench import Node, a_node, some_records


def a_prover(node: Node) -> NodeProver:
    return NodeProver(doors_of(node))


async def test_certificate__proves_a_task_by_a_prefix_of_its_id() -> None:
    node = a_node("me")
    node.store([*DAY, *some_records("flo", 40, first=1)])

    raw = await a_prover(node).certificate(TASK_ID.hex()[:9])

    proof = check(read_certificate(raw))
    assert proof.certificate.task_id == TASK_ID
    assert sorted(proof.certificate.records) == sorted(record.raw for record in DAY)


@pytest.mark.parametrize(
    ("task_id", "status"), [("11" * 32, 404), ("12345678", 404), ("1234", 400), ("x" * 64, 400)]
)
async def test_certificate__refuses_what_is_no_task(task_id: str, status: int) -> None:
    node = a_node("me")
    node.store(list(DAY))

    with pytest.raises(RequestRefused) as refused:
        await a_prover(node).certificate(task_id)

    assert refused.value.status == status


async def test_certificate__looks_at_no_more_records_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.prover.LOOKED_PER_SLICE", 10)
    monkeypatch.setattr("node.prover.LOOKED_MAX", 30)
    reveal = DAY[5]
    late = a_record("bo", *reveal.statements, created_ms=NOON_MS + 1_000)
    node = a_node("me")
    node.store([*(one for one in DAY if one is not reveal), late])
    node.store(some_records("flo", 60, every_ms=1))

    with pytest.raises(RequestRefused, match="not found among those looked at") as refused:
        await a_prover(node).certificate(TASK_ID.hex())

    assert (refused.value.status, refused.value.code) == (503, "records_not_found")
