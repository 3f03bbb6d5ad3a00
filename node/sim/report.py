"""What came of an experiment, as numbers: for people, and as one document."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from node.sim.odds import error_ppm
from node.sim.options import Options, percent
from node.sim.verdicts import CastTally, Outcomes


@dataclass(frozen=True, slots=True)
class Sample:
    """How the whole was at one moment; what is counted is counted since the start.

    Attributes:
        now_ms: When.
        known_min: The least number of authors an honest node knew of; 0 once all had met.
        records_min: The shortest honest log.
        records_median: The middle one.
        records_max: The longest.
        logs: How many different logs there were, by their numbers of records and digests.
        asked: Tasks asked so far.
        final: Tasks with an answer.
        copies: Gossip messages over links.
        copy_bytes: What they weigh.
        presence_copies: Of these, those that said who is here.
        presence_bytes: What those weigh.
        sync_bytes: What sync and the exchange of presences weigh.
    """

    now_ms: int
    known_min: int
    records_min: int
    records_median: int
    records_max: int
    logs: int
    asked: int
    final: int
    copies: int
    copy_bytes: int
    presence_copies: int
    presence_bytes: int
    sync_bytes: int


@dataclass(frozen=True, slots=True)
class Times:
    """When what was so, in simulated milliseconds; None if it never was.

    Attributes:
        simulated_ms: How long the whole took.
        known_ms: When all honest nodes knew of all keys.
        last_task_ms: When the last task was asked.
        equal_ms: Since when all honest logs were equal.
        settled_ms: Since when all tasks were final, but for those that may rightly end split.
    """

    simulated_ms: int
    known_ms: int | None
    last_task_ms: int
    equal_ms: int | None
    settled_ms: int | None

    @property
    def equal_after_ms(self) -> int | None:
        """Return how long after the last task all logs were equal."""
        return None if self.equal_ms is None else self.equal_ms - self.last_task_ms


@dataclass(frozen=True, slots=True)
class Costs:
    """What travelled, over all nodes.

    Attributes:
        published: Gossip messages made.
        presences: Of these, those that said who is here.
        copies: Copies of them over links, those that came twice included.
        copy_bytes: What these weigh.
        presence_copies: Of these copies, those that said who is here.
        presence_bytes: What those weigh.
        lost: Copies the weather took.
        sync_bytes: What sync and the exchange of presences weigh.
        task_messages: Messages of records made since the first task; before it, only profiles are.
        task_copies: Copies of records over links since then.
        task_bytes: What these weigh.
    """

    published: int
    presences: int
    copies: int
    copy_bytes: int
    presence_copies: int
    presence_bytes: int
    lost: int
    sync_bytes: int
    task_messages: int
    task_copies: int
    task_bytes: int


@dataclass(frozen=True, slots=True)
class Log:
    """How long one honest log is in the end."""

    records: int
    record_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that an experiment says.

    Attributes:
        options: What was run.
        trace_hash: Over everything that happened, 64 hex digits.
        problems: Broken promises, one line each.
        outcomes: What became of the tasks.
        casts: How each kind of node fared.
        times: When what was so.
        costs: What travelled.
        hosts: How many machines there were; some adversaries hold many keys with one.
        log: How long one honest log is.
        events: How many events there were.
        sessions: Comparisons of logs, by how they ended.
        sometimes: Rare states, and how often each was reached.
        waits_ms: From asking to the verdict at the user's node, for each task.
        samples: The whole once a second.
    """

    options: Options
    trace_hash: str
    problems: list[str]
    outcomes: Outcomes
    casts: list[CastTally]
    times: Times
    costs: Costs
    hosts: int
    log: Log
    events: int
    sessions: dict[str, int]
    sometimes: dict[str, int]
    waits_ms: list[int]
    samples: list[Sample]

    def document(self) -> dict[str, Any]:
        """Return all of it as one document of plain values."""
        return {
            "seed": self.options.seed,
            "trace_hash": self.trace_hash,
            "options": self.options.document(),
            "problems": self.problems,
            "outcomes": {**asdict(self.outcomes), "wrong_ppm": self.outcomes.wrong_ppm},
            "casts": [asdict(one) for one in self.casts],
            "times": {**asdict(self.times), "equal_after_ms": self.times.equal_after_ms},
            "costs": {**asdict(self.costs), **self.shares()},
            "hosts": self.hosts,
            "log": asdict(self.log),
            "events": self.events,
            "sessions": self.sessions,
            "sometimes": self.sometimes,
            "waits_ms": self.waits_ms,
            "samples": [asdict(one) for one in self.samples],
        }

    def shares(self) -> dict[str, float]:
        """Return what the costs come to for a node, a task and a second."""
        costs, nodes, tasks = self.costs, self.hosts, self.options.tasks
        node_seconds = nodes * max(1, self.times.simulated_ms) / 1_000
        return {
            "copies_per_node": costs.copies / nodes,
            "bytes_per_node": (costs.copy_bytes + costs.sync_bytes) / nodes,
            "messages_per_task": costs.task_messages / tasks,
            "copies_per_message_and_node": costs.task_copies / max(1, costs.task_messages) / nodes,
            "copies_per_task_and_node": costs.task_copies / tasks / nodes,
            "bytes_per_task_and_node": costs.task_bytes / tasks / nodes,
            "presence_bytes_per_node_s": costs.presence_bytes / node_seconds,
            "sync_bytes_per_node_s": costs.sync_bytes / node_seconds,
        }


def facts(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return what a person wants to know of a report, as names and values."""
    options, found = document["options"], document["outcomes"]
    times, costs, log = document["times"], document["costs"], document["log"]
    others = "".join(f", {count} {name}" for name, count in options["adversaries"].items())
    yield "nodes", f"{options['nodes']} honest{others}, on {document['hosts']} hosts"
    if options["authors_max"] > 4_096:
        yield "", f"authors_max raised to {options['authors_max']}, or they would not fit"
    yield "tasks", _tasks(found)
    yield "wrong verdicts", _wrong(found)
    yield "model runs", f"{found['runs_per_task']:.2f} a task, for {options['seats']} seats"
    yield "time to final", f"p50 {found['final_ms_p50']} ms, p99 {found['final_ms_p99']} ms"
    yield "all logs equal", _since(times["equal_ms"], times["last_task_ms"])
    yield "all tasks settled", _since(times["settled_ms"], times["last_task_ms"])
    yield "all know all", "not in time" if times["known_ms"] is None else _s(times["known_ms"])
    yield "one log", f"{log['records']} records, {_bytes(log['record_bytes'])}"
    yield (
        "gossip",
        f"{costs['published']} messages, {costs['copies_per_node']:.0f} copies a node, "
        f"{costs['copies_per_task_and_node']:.1f} a node and task, {costs['lost']} lost",
    )
    yield (
        "bytes",
        f"{_bytes(costs['bytes_per_node'])} a node: gossip {_bytes(costs['copy_bytes'])} in all "
        f"({_bytes(costs['presence_bytes'])} of it presences), sync {_bytes(costs['sync_bytes'])}",
    )
    yield "", f"{_bytes(costs['bytes_per_task_and_node'])} of gossiped records a node and task"
    yield "comparisons", ", ".join(f"{n} {name}" for name, n in document["sessions"].items())
    for name, count in document["sometimes"].items():
        yield "sometimes", f"{count} x {name}"
    yield "trace hash", document["trace_hash"]


CAST_COLUMNS = (
    "cast",
    "keys",
    "seats",
    "agreed",
    "dissented",
    "excused",
    "absent",
    "points",
    "reputation",
)


def cast_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return how each kind of node fared, as cells; see CAST_COLUMNS."""
    return [
        (
            *(str(one[name]) for name in CAST_COLUMNS[:-1]),
            f"{one['reputation_ppm_median'] / 1_000_000:.2f}",
        )
        for one in document["casts"]
    ]


def _tasks(found: Mapping[str, Any]) -> str:
    states = [f"{found[name]} {name}" for name in ("final", "split", "void", "open") if found[name]]
    retried = f", {found['retried']} tried again" if found["retried"] else ""
    return f"{found['tasks']}: {', '.join(states)}{retried}"


def _wrong(found: Mapping[str, Any]) -> str:
    """Show wrong verdicts beside what the odds make of them, and how far chance strays from it."""
    predicted_ppm = found["predicted_wrong_ppm"]
    stray_ppm = error_ppm(predicted_ppm, tasks=max(1, found["tasks"]))
    return (
        f"{found['wrong']}, {percent(found['wrong_ppm'])} "
        f"(by the odds {percent(predicted_ppm)}, give or take {percent(stray_ppm)})"
    )


def _since(at_ms: int | None, last_task_ms: int) -> str:
    return "not in time" if at_ms is None else f"{_s(at_ms - last_task_ms)} after the last task"


def _s(ms: int) -> str:
    return f"{ms / 1_000:g} s"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:.1f} TB"
