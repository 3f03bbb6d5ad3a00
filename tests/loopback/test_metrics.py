"""What real nodes tell monitoring, against what docs/metrics.md says they do."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.loopback.nodes import RealNode, street, wait_capable, wait_equal, wait_final

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
ENDINGS = {"counter": "_total", "info": "_info"}


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Return the kind and the labels of every name in the table."""
    rows = ROW.findall(PAGE.read_text())
    return {name: (kind, frozenset(re.findall(r"\w+", labels))) for name, kind, labels in rows}


def scraped(node: RealNode) -> dict[str, Metric]:
    """Read a node's numbers, under the names that are asked for."""
    text = node.scrape()
    found = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name + ENDINGS.get(family.type, ""): family for family in found}


def number(found: dict[str, Metric], name: str, **labels: str) -> float:
    """Return one number; of a histogram, ask for its count."""
    samples = [sample for metric in found.values() for sample in metric.samples]
    (value,) = [s.value for s in samples if (s.name, s.labels) == (name, labels)]
    return float(value)


def test_metrics__are_those_of_the_page_and_move_with_a_task(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    with street(tmp_path) as found:
        alice, bob = found.node("alice", "--rpc-token-file", str(token_file)), found.node("bob")
        alice.launch()
        alice.wait_serving()
        bob.launch("--bootstrap", alice.address)
        for node in (alice, bob):
            node.wait_ready()
            wait_capable(node, 1)
        task_id = alice.submit("what a day", seats=1)
        wait_final(alice, [task_id], within_s=20)
        wait_equal([alice, bob], within_s=20)
        ours, theirs = scraped(alice), scraped(bob)
        token = token_file.read_text().strip()
        assert alice.call("GET", "/status", token=token)[0] == 200
        assert alice.stop() == 0

    assert not token_file.exists()
    table = documented()
    assert set(ours) == set(table)
    for name, metric in ours.items():
        kind, labels = table[name]
        assert metric.type == kind, name
        for sample in metric.samples:
            assert set(sample.labels) - {"le"} == labels, name
    waited = "aimarket_verdict_seconds_count"
    runs = "aimarket_model_runs_total"
    assert number(ours, waited, submitter="self") == 1
    assert number(theirs, waited, submitter="other") == 1
    assert number(theirs, runs, type="echo", outcome="answered") == 1
    assert number(theirs, "aimarket_model_batch_seconds_count", type="echo") == 1
    assert number(ours, runs, type="echo", outcome="answered") == 0
    for told in (ours, theirs):
        assert number(told, "aimarket_tasks", state="final", type="echo") == 1
        assert number(told, "aimarket_journal_sync_seconds_count") > 0
        assert number(told, "aimarket_log_write_seconds_count") > 0
        assert number(told, "aimarket_loop_lag_seconds_count") > 0
        assert number(told, "aimarket_peers", state="in_mesh") == 1
        assert number(told, "aimarket_gossip_bytes_total", direction="in") > 0
        assert number(told, "aimarket_gossip_messages_total", direction="out") > 0
        assert number(told, "aimarket_ready") == 1
        assert number(told, "aimarket_journal_bytes") > 0
        assert number(told, "aimarket_log_bytes") > 0
