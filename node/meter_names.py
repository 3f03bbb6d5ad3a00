"""The families of a node: under which name and in which words each of its numbers is shown."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from node.errors import StoreDamaged, StoreError
from node.inbox import EVENTS_WAITING_MAX
from node.inference.service import WorkerState
from node.inference.waiting import WAITING_MAX
from node.instruments import OUTCOMES, Instruments
from node.market import Doors
from node.metering import Family, Histogram, Kind, Sample

# What node/net refuses; all else it counts is told as what happens there.
NET_REFUSALS = (
    "answers_refused",
    "circuits_refused",
    "connections_displaced",
    "connections_refused",
    "gossip_foreign_topic",
    "gossip_frames_bad",
    "gossip_frames_failed",
    "gossip_graft_refused",
    "gossip_iwant_refused",
    "gossip_mesh_expelled",
    "gossip_overflow",
    "gossip_wrong_size",
    "handshakes_failed",
    "peers_banned",
    "relay_requests_refused",
    "streams_half_closed",
    "streams_refused",
)
NET_EVENTS = (
    "answers_failed",
    "answers_given",
    "asks_answered",
    "asks_failed",
    "asks_late",
    "circuits_admitted",
    "circuits_dialled",
    "circuits_failed",
    "connections_dead",
    "connections_of_no_use",
    "connections_stranded",
    "dials_done",
    "dials_failed",
    "gossip_dropped_outbound",
    "gossip_duplicates",
    "gossip_gate_failed",
    "gossip_ignored",
    "gossip_published",
    "gossip_received",
    "gossip_rejected",
    "gossip_relayed",
    "punches_done",
    "punches_failed",
    "relay_bytes",
    "relay_circuits",
    "relay_requests_failed",
    "relay_reservations",
    "reservations",
    "reservations_failed",
    "sightings",
    "streams_failed",
)


def one(name: str, kind: Kind, help_text: str, value: float) -> Family:
    """Return a family of one number."""
    return Family(name, kind, help_text, [Sample({}, value)])


def readable(name: str, help_text: str, read: Callable[[], Iterable[Sample]]) -> Family:
    """Return a family of gauges that are read from the log; none while it cannot be read.

    Raises:
        StoreDamaged: The disk holds something else than was written.
    """
    try:
        return Family(name, "gauge", help_text, list(read()))
    except StoreDamaged:
        raise
    except StoreError:
        return Family(name, "gauge", help_text, [])


def model_families(doors: Doors, measured: Instruments) -> Iterator[Family]:
    """Yield what is told of models."""
    status = doors.inference.status
    runs = [
        Sample({"type": name, "outcome": outcome}, count)
        for outcome in OUTCOMES
        for name, count in measured.runs[outcome].counts().items()
    ]
    yield Family("aimarket_model_runs", "counter", "Inputs this node had run.", runs)
    answers = "From asking for a run to its answer, waiting included."
    batches = "How long the worker process takes for what it runs at once."
    yield _by_type("aimarket_model_answer_seconds", answers, measured.answers)
    yield _by_type("aimarket_model_batch_seconds", batches, measured.batches)
    yield one(
        "aimarket_model_ready",
        "gauge",
        "Whether the worker process runs what it is given.",
        status.state is WorkerState.READY,
    )
    yield one(
        "aimarket_model_process_restarts",
        "counter",
        "How often the worker process was started again.",
        status.restarts,
    )


def table_families(doors: Doors) -> Iterator[Family]:
    """Yield how full everything is that is bounded, and how full it may be."""
    machine = doors.machine
    tables = {
        **{name.replace(" ", "_"): size for name, size in machine.sizes().items()},
        "inbox": (len(doors.loop.inbox), EVENTS_WAITING_MAX),
        "model_queue": (doors.inference.status.waiting, WAITING_MAX),
    }
    entries = [Sample({"table": name}, size[0]) for name, size in sorted(tables.items())]
    limits = [Sample({"table": name}, size[1]) for name, size in sorted(tables.items())]
    yield Family("aimarket_table_entries", "gauge", "How much a bounded table holds.", entries)
    yield Family("aimarket_table_limit", "gauge", "How much a table may hold.", limits)
    yield one(
        "aimarket_own_tasks_unsettled",
        "gauge",
        "Tasks of this node it still cares for.",
        len(machine.submitter),
    )


def net_families(doors: Doors, measured: Instruments) -> Iterator[Family]:
    """Yield what is told of the network."""
    peers, counted, sync = doors.net.peers(), doors.counters(), doors.sync.view()
    in_state = {
        "connected": len(peers),
        "in_mesh": sum(peer.in_mesh for peer in peers),
        "live": len(doors.machine.presences.live(doors.clock.now().ms)),
    }
    yield _labelled("aimarket_peers", "gauge", "Other nodes, by how we know them.", state=in_state)
    for what in ("messages", "bytes"):
        both = {way: counted.get(f"gossip_{what}_{way}", 0) for way in ("in", "out")}
        help_text = f"Gossip {what} that peers sent us, and that we sent to each of them."
        yield _labelled(f"aimarket_gossip_{what}", "counter", help_text, direction=both)
    sessions = "Comparisons of logs that this node asked for, by how they ended."
    moved = {"fetched": sync.fetched, "pushed": sync.pushed}
    yield _labelled(
        "aimarket_sync_sessions", "counter", sessions, outcome=measured.sessions.counts()
    )
    yield _labelled("aimarket_sync_records", "counter", "Records moved by sync.", direction=moved)
    level = [] if sync.level_s_ago is None else [Sample({}, sync.level_s_ago)]
    told = "Since this node's log was last level with a peer's."
    yield Family("aimarket_sync_level_age_seconds", "gauge", told, level)
    refused = {
        "rpc": measured.requests.counts(),
        "gate": measured.rejected.counts(),
        "pace": doors.machine.door.paced,
        "net": {name: counted.get(name, 0) for name in NET_REFUSALS},
    }
    yield Family(
        "aimarket_refusals",
        "counter",
        "What was refused, by the door it came to and the reason.",
        list(chain.from_iterable(_refusals(door, by) for door, by in refused.items())),
    )
    events = {name: counted.get(name, 0) for name in NET_EVENTS}
    yield _labelled("aimarket_net_events", "counter", "What happens at the net.", event=events)


def _refusals(door: str, by_reason: Mapping[str, int]) -> Iterator[Sample]:
    for reason, count in by_reason.items():
        yield Sample({"door": door, "reason": reason}, count)


def _labelled(name: str, kind: Kind, help_text: str, **by: Mapping[str, int]) -> Family:
    """Return a family with one label, whose values are named by its values."""
    ((label, numbers),) = by.items()
    return Family(name, kind, help_text, [Sample({label: key}, n) for key, n in numbers.items()])


def _by_type(name: str, help_text: str, histograms: Mapping[str, Histogram]) -> Family:
    spreads = [histogram.spread(type=of) for of, histogram in histograms.items()]
    return Family(name, "histogram", help_text, spreads)
