"""What a crowd says while somebody watches: so many tasks a second, each some seconds under way."""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.crowded_node import crowd
from bench.rpc import History
from protocol.ids import TaskId
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import seal
from protocol.sealing import commitment_of, task_id_of
from protocol.statements import (
    Answer,
    AnswerKind,
    Commit,
    Jury,
    Profile,
    Result,
    Reveal,
    Seat,
    Statement,
    Task,
)

BEAT_S = 0.5
PHASE_BEATS = 10  # sealed, seated and opened each so many beats after what comes before
JURORS = 3
RESULTS = [Result(Answer(AnswerKind.VALUE, text), 930_000, 870_000) for text in (b"good", b"bad")]


@dataclass(frozen=True)
class _Asked:
    """One task and those who will answer it."""

    task_id: TaskId
    submitter: Signer
    jurors: list[Signer]
    salts: list[bytes]
    results: list[Result]


class Life:
    """Brings in the records of tasks by the crowd, some at every beat."""

    def __init__(self, network: Network, past: History, tasks_a_s: float) -> None:
        """Take the network, a door of the node, and how many tasks a second there are."""
        self.tasks = 0
        self.lates = 0
        self._network = network
        self._past = past
        self._each = round(tasks_a_s * BEAT_S)
        self._dice = random.Random(2)
        self._crowd = crowd()
        self._beats: deque[list[_Asked]] = deque(maxlen=3 * PHASE_BEATS + 1)
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def introduce(self) -> None:
        """Give everybody of the crowd a name."""
        self._past.take(
            self._said(one, Profile(0, f"peer {number}", "bench"))
            for number, one in enumerate(self._crowd)
        )

    @contextmanager
    def going(self) -> Iterator[None]:
        """Go on in a thread of its own.

        Raises:
            BaseException: Whatever ended the thread before its time.
        """
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        if self._failure is not None:
            raise self._failure

    def newest(self) -> str:
        """Return the id of the task that was asked last."""
        return self._beats[0][-1].task_id.hex()

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self._past.take(self._beat())
                due += BEAT_S
                if time.monotonic() > due + BEAT_S:  # the node cannot keep up
                    self.lates += 1
                    due = time.monotonic()
        except BaseException as error:
            self._failure = error

    def _beat(self) -> list[bytes]:
        asked = []
        raws = []
        for _ in range(self._each):
            task, raw = self._ask()
            asked.append(task)
            raws.append(raw)
        self._beats.appendleft(asked)
        self.tasks += len(asked)
        for phase, say in enumerate((self._seal, self._seat, self._open), 1):
            if len(self._beats) > phase * PHASE_BEATS:
                raws += [raw for one in self._beats[phase * PHASE_BEATS] for raw in say(one)]
        return raws

    def _ask(self) -> tuple[_Asked, bytes]:
        dice = self._dice
        submitter, *jurors = dice.sample(self._crowd, 1 + JURORS)
        jurors.sort(key=lambda one: one.public_key)
        words = " ".join(dice.choice(("good", "bad", "so", "very", "film")) for _ in range(12))
        task = Task(dice.randbytes(16), "echo", b"", words.encode(), JURORS, 0, b"")
        asked = _Asked(
            task_id_of(self._network.network_id, submitter.public_key, task),
            submitter,
            jurors,
            [dice.randbytes(32) for _ in jurors],
            dice.choices(RESULTS, (9, 1), k=JURORS),
        )
        return asked, self._said(submitter, task)

    def _seal(self, asked: _Asked) -> list[bytes]:
        seats = zip(asked.jurors, self._seats(asked), strict=True)
        return [self._said(one, Commit(asked.task_id, seat.commitment)) for one, seat in seats]

    def _seat(self, asked: _Asked) -> list[bytes]:
        return [self._said(asked.submitter, Jury(asked.task_id, tuple(self._seats(asked))))]

    def _open(self, asked: _Asked) -> list[bytes]:
        return [
            self._said(juror, Reveal(asked.task_id, result, salt))
            for juror, result, salt in zip(asked.jurors, asked.results, asked.salts, strict=True)
        ]

    def _seats(self, asked: _Asked) -> list[Seat]:
        network_id = self._network.network_id
        return [
            Seat(key, commitment_of(network_id, asked.task_id, key, salt, result))
            for juror, result, salt in zip(asked.jurors, asked.results, asked.salts, strict=True)
            if (key := juror.public_key)
        ]

    def _said(self, signer: Signer, statement: Statement) -> bytes:
        now_ms = time.time_ns() // 1_000_000
        return seal([statement], signer=signer, created_ms=now_ms, network=self._network).raw
