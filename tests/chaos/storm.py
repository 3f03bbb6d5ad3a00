"""Kills real nodes in the middle of their work, over and over, and brings them back.

Each round submits a handful of tasks and kills one node at a moment aimed at the phase of a task
that was hit least so far. What the victim left on its disk says which phase it really was. It comes
back by itself after a while, as under a service manager, and is timed until others hear of it.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

from protocol.params import Network
from tests.chaos.oracle import remains_of
from tests.chaos.phases import PHASES, Death, death_of
from tests.chaos.users import ask_once, ask_until_taken, client_of, knows
from tests.loopback.nodes import RealNode, until

RUNNING_MIN = 3  # so that a jury of two is always there, beside the submitter
OWN_PHASES = ("asked", "seated")  # aimed at best by submitting at the victim itself
LATE_PHASES = ("seated", "opened")  # begin when the jury is signed
FLIGHT_S = 0.4  # measured: a task among five nodes on two cores takes 0.1 to 0.3 s
OPENING_S = 0.06  # measured: of which so much comes after the jury
AIM_S = 0.01  # how far a shot may fall from one that hit
EXPLORED = 0.3  # shots that ignore what was learnt
YOUNG = 0.25  # of those that return are killed once more while they start
YOUNG_S = 3.0  # measured: a start takes 2 to 4 s on two loaded cores
RETURN_S = 60.0
QUIET_S = 5.0


@dataclass(slots=True)
class Request:
    """One task a user asked for; without an id it was not answered yet."""

    node: RealNode
    request_id: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    """One node's death."""

    node: str
    aimed_at: str
    phase: str
    death: Death


@dataclass(frozen=True, slots=True)
class Return:
    """One node's second life: seconds from the launch of its process."""

    node: str
    launched_s: float
    serving_s: float
    heard_s: float


@dataclass(slots=True)
class Storm:
    """A storm over nodes that all know each other.

    Attributes:
        nodes: All of them, ready.
        network: Theirs.
        dice: Makes every choice.
        requests: What users asked for so far.
        kills: Who was killed so far.
        returns: Who came back so far.
        young: How many were killed once more while they started.
    """

    nodes: Sequence[RealNode]
    network: Network
    dice: random.Random
    tasks_per_round: int
    round_s: float
    away_s_max: float
    requests: list[Request] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    young: int = 0
    _numbers: Iterator[int] = field(default_factory=count)
    _addresses: dict[str, str] = field(default_factory=dict)
    _shots: list[tuple[str, float, frozenset[str]]] = field(default_factory=list)
    _away: dict[str, "Future[Return]"] = field(default_factory=dict)

    def rage(self, *, kills: int, kills_max: int) -> None:
        """Kill so many times, and more while a phase was never hit, which no aim ensures.

        On return everybody is back and every request was answered.
        """
        self._addresses = {node.name: node.address for node in self.nodes}
        with ThreadPoolExecutor(max_workers=16) as pool:
            while len(self.kills) < kills or (
                len(self.kills) < kills_max and not all(self.phases().values())
            ):
                self._round(pool)
            for future in list(self._away.values()):
                self.returns.append(future.result(timeout=RETURN_S))
            for request in self.requests:
                self._answer(request)

    def phases(self) -> dict[str, int]:
        """Count the kills by phase, each once."""
        counted = Counter(kill.phase for kill in self.kills)
        return {phase: counted[phase] for phase in PHASES}

    def _round(self, pool: ThreadPoolExecutor) -> None:
        started_s = time.monotonic()
        victim = self._victim()
        counted = Counter(kill.phase for kill in self.kills)
        aim = min(PHASES, key=lambda phase: (counted[phase], self.dice.random()))
        is_own = aim in OWN_PHASES
        delay_s = self._delay_s(aim)
        others = [node for node in self._here() if node is not victim]
        if aim == "settled":
            until(lambda: _is_quiet(victim), within_s=QUIET_S + RETURN_S, what="nothing under way")
            victim.kill()
        asked = [
            victim if is_own else self.dice.choice(others) for _ in range(self.tasks_per_round)
        ]
        answers = [pool.submit(self._ask, node) for node in asked]
        if aim != "settled":
            if aim in LATE_PHASES:
                _wait_seated(answers[0].result())
            time.sleep(delay_s)
            victim.kill()
        self.requests.extend(answer.result() for answer in answers)
        death = death_of(remains_of(victim, self.network), self.network)
        self._shots.append((aim, delay_s, frozenset(death.tasks)))
        phase = aim if aim in death.tasks else min(death.tasks, key=lambda one: counted[one])
        self.kills.append(Kill(victim.name, aim, phase, death))
        away_s = self.dice.uniform(0, self.away_s_max)
        young_s = self.dice.uniform(0, YOUNG_S) if self.dice.random() < YOUNG else None
        self.young += young_s is not None
        bootstrap = self._addresses[self.dice.choice(others).name]
        self._away[victim.name] = pool.submit(self._return, victim, bootstrap, away_s, young_s)
        time.sleep(max(0.0, started_s + self.round_s - time.monotonic()))

    def _victim(self) -> RealNode:
        """Choose among those that are here for good; wait while too few are."""
        until(lambda: len(self._here()) > RUNNING_MIN, within_s=2 * RETURN_S, what="nodes are back")
        return self.dice.choice(self._here())

    def _here(self) -> list[RealNode]:
        for name, future in list(self._away.items()):
            if future.done():
                self.returns.append(future.result())
                del self._away[name]
        return [node for node in self.nodes if node.name not in self._away]

    def _delay_s(self, aim: str) -> float:
        hits = [delay_s for aimed, delay_s, found in self._shots if aimed == aim and aim in found]
        if not hits or self.dice.random() < EXPLORED:
            return self.dice.uniform(0, OPENING_S if aim in LATE_PHASES else FLIGHT_S)
        return max(0.0, self.dice.choice(hits) + self.dice.uniform(-AIM_S, AIM_S))

    def _ask(self, node: RealNode) -> Request:
        request = Request(node, f"storm {next(self._numbers)}")
        request.task_id = ask_once(node, request.request_id)
        return request

    def _answer(self, request: Request) -> None:
        """Ask again, as a user would who never got an answer, with the same request id."""
        if request.task_id is None:
            request.task_id = ask_until_taken(request.node, request.request_id)

    def _return(
        self, node: RealNode, bootstrap: str, away_s: float, young_s: float | None
    ) -> Return:
        time.sleep(away_s)
        where = self._addresses[node.name].partition("/p2p/")[0]
        options = ("--listen", where, "--bootstrap", bootstrap)
        if young_s is not None:
            node.launch(*options)
            time.sleep(young_s)
            node.kill()
        launched_s = time.monotonic()
        node.launch(*options)
        node.wait_serving()
        serving_s = time.monotonic()
        task_id = ask_until_taken(node, f"return {node.starts}")
        until(lambda: self._is_heard(node, task_id), within_s=RETURN_S, what="others hear of it")
        heard_s = time.monotonic()
        self.requests.append(Request(node, f"return {node.starts}", task_id))
        return Return(node.name, launched_s, serving_s - launched_s, heard_s - launched_s)

    def _is_heard(self, node: RealNode, task_id: str) -> bool:
        others = [one for one in self.nodes if one is not node and one.name not in self._away]
        return any(knows(one, task_id) for one in others)


def _wait_seated(request: Request) -> None:
    """Wait until a task has its jury, but not for long: somebody may be away."""
    deadline_s = time.monotonic() + FLIGHT_S
    while request.task_id is not None and time.monotonic() < deadline_s:
        if client_of(request.node).task(request.task_id)["state"] != "open":
            return


def _is_quiet(node: RealNode) -> bool:
    return node.count("open") == 0 and node.count("seated") == 0
