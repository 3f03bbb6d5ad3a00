"""The explainer of a node: finds what is meant and tells all that is known."""

import pytest

from node.core.events import CapabilitiesChanged, Started
from node.errors import RequestRefused
from node.explain.service import NodeExplainer
from node.names import peer_id_of
from tests.builders import NOON_MS, a_market_day, a_profile, a_record, a_task, id_of, key
from tests.node.explain.doors import board_of, doors_of
from tests.node.shell_bench import ECHO
from tests.node.sync_bench import Node, a_node, some_records

TASK = a_task()
TASK_ID = id_of("an", TASK)
DAY = a_market_day("an", TASK, {"bo": "positive", "cy": "positive", "di": "negative"})


def an_explainer(node: Node) -> NodeExplainer:
    return NodeExplainer(doors_of(node), lambda: board_of(node))


async def test_explain__tells_of_a_task_with_all_its_records() -> None:
    node = a_node("me")
    node.store([*DAY, *some_records("flo", 40, first=1)])

    told = (await an_explainer(node).explain(TASK_ID.hex()[:8])).task

    assert told is not None
    assert (told.state, told.answer, told.next) == ("final", "positive", ())
    assert [one.record_id for one in told.records if one.kind in ("task", "jury")] == [
        DAY[0].record_id.hex(),
        DAY[4].record_id.hex(),
    ]
    assert sorted(one.record_id for one in told.records) == sorted(r.record_id.hex() for r in DAY)
    assert told.records_looked <= len(DAY)


async def test_explain__looks_at_no_more_records_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.explain.service.LOOKED_PER_SLICE", 10)
    monkeypatch.setattr("node.explain.service.LOOKED_MAX", 30)
    node = a_node("me")
    node.store([*DAY[:1], *some_records("flo", 60, every_ms=1)])
    late = a_record("bo", *DAY[1].statements, created_ms=NOON_MS + 1_000)
    node.store([late])

    told = (await an_explainer(node).explain(TASK_ID.hex())).task

    assert told is not None
    assert [one.kind for one in told.records if not one.record_id] == ["commit"]
    assert told.records_looked == 30


async def test_explain__tells_of_workers_and_records() -> None:
    node = a_node("me")
    node.store([*DAY, a_record("bo", a_profile("bob"))])
    explainer = an_explainer(node)

    worker = await explainer.explain("bob")
    by_key = await explainer.explain(peer_id_of(key("cy")))  # scored, and nameless
    record = await explainer.explain(DAY[4].record_id.hex())

    assert worker.worker is not None
    assert worker.worker.worker == explainer.worker("bob")
    assert worker.worker.worker.standing.points == 1
    assert (by_key.kind, record.kind) == ("worker", "record")
    assert record.record is not None
    assert record.record.statements[0].kind == "jury"


async def test_worker__knows_itself() -> None:
    node = a_node("me")
    machine = node.bench.loop.machine
    machine.handle(Started(), node.bench.loop.now())
    machine.handle(CapabilitiesChanged((ECHO,)), node.bench.loop.now())

    told = an_explainer(node).worker(peer_id_of(key("me")))

    assert (told.live, told.capabilities, told.rank) == (True, ("echo",), None)


async def test_worker__takes_no_task_for_a_worker() -> None:
    node = a_node("me")
    node.store(DAY)

    with pytest.raises(RequestRefused, match="no key begins so"):
        an_explainer(node).worker(TASK_ID.hex())
