"""Somebody else's records, one after the other: what a page shows of them is for the tests to see.

They come in through `POST /log`, which takes the same door as gossip; so a life of a task can be
told step by step, and strangers can say whatever their records have room for.
"""

import time
from collections.abc import Mapping, Sequence

import httpx

from node.config import make_network
from protocol.ids import TaskId
from protocol.params import Network
from protocol.record import seal
from protocol.statements import Commit, Jury, Profile, Reveal, Seat, Statement, Task
from tests.builders import a_result, a_salt, id_of, key, sealed, signer
from tests.dashboard.browser import endpoint
from tests.loopback.nodes import RealNode, Street


class Players:
    """Strangers of one network, who tell one node what they like."""

    def __init__(self, town: Street, node: RealNode) -> None:
        self.network: Network = make_network(name=None, genesis=town.genesis)
        self._node = node

    def say(self, who: str, *statements: Statement, created_ms: int | None = None) -> None:
        """Have somebody sign statements, now unless told when, and the node take the record in."""
        if created_ms is None:
            created_ms = int(time.time() * 1_000)
        record = seal(statements, signer=signer(who), created_ms=created_ms, network=self.network)
        url, token = endpoint(self._node)
        answer = httpx.post(
            f"{url}/log",
            content=len(record.raw).to_bytes(4) + record.raw,
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/octet-stream",
            },
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["refused"] == 0, answer.text

    def call_themselves(self, names: Mapping[str, str], agent: str = "aimarket/0.1") -> None:
        """Have each say how it wants to be called."""
        for who, alias in names.items():
            self.say(who, Profile(1, alias, agent))

    def ask(self, who: str, task: Task, *, created_ms: int | None = None) -> TaskId:
        """Have somebody ask, whatever its clock says."""
        self.say(who, task, created_ms=created_ms)
        return id_of(who, task, self.network)

    def commit(self, who: str, task_id: TaskId, answer: str) -> None:
        """Have somebody seal an answer."""
        commitment = sealed(who, task_id, a_result(answer), self.network)
        self.say(who, Commit(task_id, commitment))

    def jury(self, who: str, task_id: TaskId, answers: Mapping[str, str]) -> None:
        """Have a submitter seat those who sealed."""
        seats = [
            Seat(key(juror), sealed(juror, task_id, a_result(answer), self.network))
            for juror, answer in answers.items()
        ]
        self.say(who, Jury(task_id, tuple(sorted(seats))))

    def reveal(self, who: str, task_id: TaskId, answer: str) -> None:
        """Have a juror open what it sealed."""
        self.say(who, Reveal(task_id, a_result(answer), a_salt(who, task_id)))

    def judge(
        self,
        submitter: str,
        task: Task,
        answers: Mapping[str, str],
        *,
        openers: Sequence[str],
        created_ms: int | None = None,
    ) -> TaskId:
        """Lead a task through its whole life, as far as those who open let it come."""
        task_id = self.ask(submitter, task, created_ms=created_ms)
        for juror, answer in answers.items():
            self.commit(juror, task_id, answer)
        self.jury(submitter, task_id, answers)
        for juror in openers:
            self.reveal(juror, task_id, answers[juror])
        return task_id
