"""R4: a request is one task however often it is made, and whenever the node is killed."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from node.config import make_network
from node.core.own import request_key
from protocol.params import Network
from tests.chaos.conftest import Tell
from tests.chaos.load import wait_quiet
from tests.chaos.oracle import Remains, complaints_of, faults_of, remains_of, tasks_in
from tests.chaos.sizes import times
from tests.chaos.users import ask_once, ask_until_taken
from tests.loopback.nodes import RealNode, street, wait_final

AT_ONCE = 5
ROUNDS = times(small=10, listed=100)
ROUNDS_EACH = -(-ROUNDS // 2)  # of two nodes, at the same time
EARLY_S = 0.06  # measured: the first of five is answered after 30 to 60 ms
EQUAL_WITHIN_S = 60.0
QUIET_S = 3.0  # for so long nobody has anything to add


@dataclass(slots=True)
class Outcome:
    """What one node was asked, and where its kills fell."""

    accepted: dict[str, str] = field(default_factory=dict)  # request -> the task it became
    found: Counter[str] = field(default_factory=Counter)


@pytest.mark.chaos
@pytest.mark.chaos_ci
@pytest.mark.timeout(60 + 20 * ROUNDS)
def test_a_request__is_one_task_wherever_a_kill_hits_it(
    tmp_path: Path, rng: Random, tell: Tell
) -> None:
    with street(tmp_path) as town:
        nodes = town.open("alice", "bob", "carol")
        *victims, witness = nodes
        network = make_network(name=None, genesis=town.genesis)
        dice = [Random(rng.random()) for _ in victims]
        with ThreadPoolExecutor(len(victims)) as pool:
            scenes = [
                pool.submit(kill_and_ask_again, victim, witness.address, network, chance)
                for victim, chance in zip(victims, dice, strict=True)
            ]
            outcomes = [scene.result() for scene in scenes]

        accepted = [task_id for one in outcomes for task_id in one.accepted.values()]
        wait_quiet(nodes, quiet_s=QUIET_S, within_s=EQUAL_WITHIN_S)
        wait_final(witness, accepted, within_s=EQUAL_WITHIN_S)
        assert [node.stop() for node in nodes] == [0] * len(nodes)
        left = [remains_of(node, network) for node in nodes]
        complaints = [complaint for node in nodes for complaint in complaints_of(node)]

    found = sum((one.found for one in outcomes), Counter[str]())
    tell(f"{len(accepted)} requests, each made {AT_ONCE} times before a kill, {AT_ONCE} after")
    tell(f"where the kill hit: {dict(found)}")
    assert 0 < found["answered"] < len(accepted) >= ROUNDS, "kills on one side of the answer only"
    assert complaints == []
    assert faults_of(left, network, accepted=accepted) == []
    asked = zip(victims, outcomes, strict=True)
    texts = Counter(f"{node.name}: {request}" for node, one in asked for request in one.accepted)
    assert texts_of(left[0], network) == texts


def kill_and_ask_again(node: RealNode, bootstrap: str, network: Network, chance: Random) -> Outcome:
    """Make requests of one node, kill it around each answer, and repeat the request."""
    outcome = Outcome()
    listen = node.address.partition("/p2p/")[0]
    for number in range(ROUNDS_EACH):
        request = f"request {number}"
        told = ask_and_kill(node, request, early=number % 2 == 0, rng=chance)
        written = has_request(remains_of(node, network), request)
        where = "answered" if told else "written, not answered" if written else "unwritten"
        outcome.found[where] += 1
        assert written or not told, f"{request}: answered, but not in the journal"

        node.launch("--listen", listen, "--bootstrap", bootstrap)
        node.wait_serving()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = [pool.submit(ask_until_taken, node, request) for _ in range(AT_ONCE)]
            told |= {answer.result() for answer in asked}
        assert len(told) == 1, f"{request} became {len(told)} tasks"
        outcome.accepted[request] = told.pop()
    return outcome


def ask_and_kill(node: RealNode, request: str, *, early: bool, rng: Random) -> set[str]:
    """Make one request several times at once and kill the node; return what was answered."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(ask_once, node, request) for _ in range(AT_ONCE)]
        if early:
            time.sleep(rng.uniform(0, EARLY_S))
        else:
            next(as_completed(asked))
        node.kill()
        return {task_id for answer in asked if (task_id := answer.result()) is not None}


def has_request(left: Remains, request: str) -> bool:
    return any(asked.request == request_key(request) for e in left.entries for asked in e.asked)


def texts_of(left: Remains, network: Network) -> Counter[str]:
    """Count the texts of all tasks, repeated attempts aside."""
    tasks = tasks_in(left.records.values(), network).values()
    return Counter(task.input.decode() for _, task in tasks if task.attempt == 0)
