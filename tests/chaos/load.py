"""Users who go on submitting whatever happens, and what must be true when all is over."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import httpx

from node.config import make_network
from protocol.record import Verified
from protocol.statements import Commit, Jury
from tests.chaos.bed import Bed
from tests.chaos.oracle import blame_by, complaints_of, faults_of, remains_of
from tests.loopback.nodes import RealNode, wait_equal, wait_final

QUIET_S = 3.0  # for so long nobody has anything to add
QUIET_WITHIN_S = 60.0


class Load:
    """Submits tasks at random nodes and keeps what it was promised."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.accepted: defaultdict[str, list[str]] = defaultdict(list)  # by name of the node
        self.refused: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Return how many tasks were accepted."""
        return sum(map(len, self.accepted.values()))

    def pump(self, nodes: Sequence[RealNode], *, seconds: float, every_s: float) -> None:
        """Submit one task after the other for some time, each at any of the nodes."""
        began_s = time.monotonic()
        for number in range(max(1, int(seconds / every_s))):
            self.submit(self._rng.choice(nodes))
            time.sleep(max(0.0, began_s + (number + 1) * every_s - time.monotonic()))

    def submit(self, node: RealNode) -> str | None:
        """Submit one task; return its id, or None if it was refused."""
        text = f"{node.name} {self._rng.getrandbits(64):x}"
        try:
            status, answer = node.call("POST", "/tasks", {"text": text})
        except httpx.HTTPError as error:
            self.refused[type(error).__name__] += 1
            return None
        if status != 201:
            self.refused[str(answer["code"])] += 1
            return None
        task_id: str = answer["task_id"]
        self.accepted[node.name].append(task_id)
        return task_id

    def wait_final(self, nodes: Sequence[RealNode], *, within_s: float) -> None:
        """Wait until every task that these nodes accepted is final as they see it."""
        for node in nodes:
            wait_final(node, self.accepted[node.name], within_s=within_s)


@dataclass(frozen=True, slots=True)
class Rest:
    """What nodes came to.

    Attributes:
        log: The records that each of them holds.
        final: How many tasks were final.
        equal_s: From the date of the newest record to the moment all held it, and all alike; of
            no meaning where clocks are wrong.
    """

    log: Sequence[Verified]
    final: int
    equal_s: float

    @property
    def records(self) -> int:
        """Return how many records there are."""
        return len(self.log)


def wait_quiet(nodes: Sequence[RealNode], *, quiet_s: float, within_s: float) -> float:
    """Wait until all are equal and stay so for a while; return since when, Unix seconds."""
    deadline = time.monotonic() + within_s
    while True:
        digest = wait_equal(nodes, within_s=max(0.0, deadline - time.monotonic()))
        since_s = time.time()
        time.sleep(quiet_s)  # quiet is a span: there is nothing to wait for but its end
        if wait_equal(nodes, within_s=max(0.0, deadline - time.monotonic())) == digest:
            return since_s


def judge(
    bed: Bed,
    load: Load,
    nodes: Sequence[RealNode],
    *,
    quiet_s: float = QUIET_S,
    within_s: float = QUIET_WITHIN_S,
) -> Rest:
    """Let nodes come to rest, stop them, and check all that must hold.

    Tasks count as accepted only by nodes that are among these: others took theirs with them.
    """
    equal_at_s = wait_quiet(nodes, quiet_s=quiet_s, within_s=within_s)
    final = nodes[0].count("final")
    boards = [node.ask("/leaderboard") for node in nodes]
    assert all(board == boards[0] for board in boards)
    assert {node.name: blame for node in nodes if (blame := blame_by(node))} == {}
    bed.stop_all(nodes)
    network = make_network(name=None, genesis=bed.genesis)
    left = [remains_of(node, network) for node in nodes]
    accepted = [task_id for node in nodes for task_id in load.accepted[node.name]]
    assert faults_of(left, network, accepted=accepted) == []
    assert [words for node in nodes for words in complaints_of(node)] == []
    log = tuple(left[0].records.values())
    return Rest(log, final, equal_at_s - max(record.created_ms for record in log) / 1_000)


def late_commits(log: Sequence[Verified], *, after_ms: int) -> int:
    """Return how many answers were sealed for a task so long after its jury was signed."""
    seated_ms = {
        said.task_id: record.created_ms
        for record in log
        for said in record.statements
        if isinstance(said, Jury)
    }
    return sum(
        record.created_ms > seated_ms[said.task_id] + after_ms
        for record in log
        for said in record.statements
        if isinstance(said, Commit) and said.task_id in seated_ms
    )
