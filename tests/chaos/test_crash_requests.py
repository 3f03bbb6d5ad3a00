"""R4: a request is one task however often it is made, and whenever the node is killed."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from random import Random

import pytest

from node.config import make_network
from node.core.own import request_key
from protocol.params import Network
from tests.chaos.conftest import Tell
from tests.chaos.oracle import Remains, complaints_of, faults_of, remains_of, tasks_in
from tests.chaos.sizes import times
from tests.chaos.users import ask_once, ask_until_taken
from tests.loopback.nodes import RealNode, street, wait_equal, wait_final

AT_ONCE = 5
ROUNDS = times(small=10, listed=100)
EARLY_S = 0.06  # measured: the first of five is answered after 30 to 60 ms
EQUAL_WITHIN_S = 60.0


@pytest.mark.chaos
@pytest.mark.chaos_ci
@pytest.mark.timeout(60 + 20 * ROUNDS)
def test_a_request__is_one_task_wherever_a_kill_hits_it(
    tmp_path: Path, rng: Random, tell: Tell
) -> None:
    found: Counter[str] = Counter()
    accepted: dict[str, str] = {}
    with street(tmp_path) as town:
        nodes = town.open("alice", "bob", "carol")
        victim, others = nodes[0], nodes[1:]
        network = make_network(name=None, genesis=town.genesis)
        listen = victim.address.partition("/p2p/")[0]
        for number in range(ROUNDS):
            request = f"request {number}"
            told = ask_and_kill(victim, request, early=number % 2 == 0, rng=rng)
            written = has_request(remains_of(victim, network), request)
            found["answered" if told else "written, not answered" if written else "unwritten"] += 1
            assert written or not told, f"{request}: answered, but not in the journal"

            victim.launch("--listen", listen, "--bootstrap", rng.choice(others).address)
            victim.wait_serving()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                asked = [pool.submit(ask_until_taken, victim, request) for _ in range(AT_ONCE)]
                told |= {answer.result() for answer in asked}
            assert len(told) == 1, f"{request} became {len(told)} tasks"
            accepted[request] = told.pop()

        wait_final(victim, list(accepted.values()), within_s=EQUAL_WITHIN_S)
        wait_equal(nodes, within_s=EQUAL_WITHIN_S)
        assert [node.stop() for node in nodes] == [0] * len(nodes)
        left = [remains_of(node, network) for node in nodes]
        complaints = [complaint for node in nodes for complaint in complaints_of(node)]

    tell(f"{ROUNDS} requests, each made {AT_ONCE} times before a kill and {AT_ONCE} times after")
    tell(f"where the kill hit: {dict(found)}")
    assert 0 < found["answered"] < ROUNDS, "all kills fell on one side of the answer"
    assert complaints == []
    assert faults_of(left, network, accepted=accepted.values()) == []
    assert texts_of(left[0], network) == Counter(f"{victim.name}: {one}" for one in accepted)


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
