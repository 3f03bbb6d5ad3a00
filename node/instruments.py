"""What is measured while a node runs, each where it happens; `node.meter` reads it all."""

import time
from collections.abc import Sequence

from node.core.sync import Outcome
from node.metering import HighMark, Histogram, Peak, Tally
from node.task_tally import TaskTally
from protocol.errors import (
    BadSignature,
    Malformed,
    NotAMember,
    ProtocolError,
    TooLittleWork,
    WrongNetwork,
)
from protocol.ids import PublicKey

RUN_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DISK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
LOOP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
OUTCOMES = ("answered", "failed")
REJECTIONS: dict[type[ProtocolError], str] = {
    Malformed: "malformed",
    WrongNetwork: "wrong_network",
    BadSignature: "bad_signature",
    TooLittleWork: "too_little_work",
    NotAMember: "not_a_member",
}
WRONG_TOPIC = "wrong_topic"  # a presence among records, or a record among presences


class Instruments:
    """One instrument for each thing that is measured.

    Attributes:
        tasks: Tasks by state and type, and how long they take.
        answers: By task type, how long the machine waits for what it has run.
        runs: By task type and outcome, how many inputs it had run.
        batches: By task type, how long the worker process takes for what it runs at once.
        journal: How long an append to the journal takes, which ends with its sync.
        log: How long a write of the log takes.
        steps: How long the machine thinks in one step, before anything is written.
        longest_step: The same, of late.
        lag: How much later than asked the event loop comes back.
        longest_lag: The same, of late.
        lag_since: The same, since the sampler last took it.
        rejected: Gossip messages the gate rejected, by what is wrong with them.
        sessions: Comparisons of logs that we asked for, by how they ended.
        requests: Requests of the local user that were refused, by code.
    """

    def __init__(self, me: PublicKey, types: Sequence[str] = ()) -> None:
        """Begin at zero.

        Args:
            me: Whose tasks are our own.
            types: The task types this node serves.
        """
        self.tasks = TaskTally(me, types)
        self.answers = {name: Histogram(RUN_SECONDS) for name in types}
        self.batches = {name: Histogram(RUN_SECONDS) for name in types}
        self.runs = {outcome: Tally(types) for outcome in OUTCOMES}
        self.journal = Histogram(DISK_SECONDS)
        self.log = Histogram(DISK_SECONDS)
        self.steps = Histogram(LOOP_SECONDS)
        self.longest_step = Peak()
        self.lag = Histogram(LOOP_SECONDS)
        self.longest_lag = Peak()
        self.lag_since = HighMark()
        self.rejected = Tally([*REJECTIONS.values(), WRONG_TOPIC])
        self.sessions = Tally([outcome.value for outcome in Outcome])
        self.requests = Tally()

    def note_step(self, began_s: float) -> None:
        """Note how long the machine thought, until now, on the clock of `time.perf_counter`."""
        now_s = time.perf_counter()
        self.steps.note(now_s - began_s)
        self.longest_step.note(now_s - began_s, now_s)

    def note_lag(self, due_s: float) -> None:
        """Note when the event loop should have come back, on the clock of `time.perf_counter`."""
        now_s = time.perf_counter()
        self.lag.note(max(0.0, now_s - due_s))
        self.longest_lag.note(now_s - due_s, now_s)
        self.lag_since.note(now_s - due_s)
