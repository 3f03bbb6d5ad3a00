"""Hosts that sign what no honest machine would: any statement, of any date, by any key."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import replace

from consensus.incremental import fold
from consensus.log import has_record
from node.core import effects as fx
from node.core import events as ev
from node.sim.host import Host
from node.sim.models import CAPABILITY
from protocol.gossip import pack_gossip
from protocol.ids import Commitment, PublicKey, TaskId, sha256
from protocol.keys import Signer
from protocol.record import Verified, seal
from protocol.sealing import SALT_BYTES, commitment_of, task_id_of
from protocol.statements import Jury, Result, Seat, Statement, Task

NONCE_BYTES = 16


class Forger(Host):
    """A host with an honest machine and a dishonest hand.

    What it signs by hand enters its log behind the machine's back, so that it can be asked for it
    like for anything else; the machine is never told of it, or it would stop for good.
    """

    cast = "forger"
    is_honest = False

    def tell(self, event: ev.Event) -> None:
        """Keep own words that the machine does not know from it."""
        if isinstance(event, ev.Received):
            own = [one for one in event.records if one.author == self.key]
            self.take(own)
            others = tuple([one for one in event.records if one.author != self.key])
            if not others:
                return
            event = replace(event, records=others)
        super().tell(event)

    def take(self, records: Sequence[Verified]) -> None:
        """Put records into the log without a word to the machine."""
        news = [one for one in records if not has_record(self.rows, one.record_id)]
        if news:
            self._do(fx.Append(fold(self.rows, news, self.world.network).changes))

    def another_key(self, name: object) -> Signer:
        """Return one of any number of keys that are this host's too."""
        return Signer(sha256(b"simulated key", f"{self.world.seed}/{self.index}/{name}".encode()))

    def wall_ms(self) -> int:
        """Return what its clock shows."""
        return self.now().wall_ms

    def sign(
        self, *statements: Statement, created_ms: int | None = None, signer: Signer | None = None
    ) -> Verified:
        """Sign statements; dated now and by its own key unless told otherwise."""
        record = seal(
            statements,
            signer=signer or self.signer,
            created_ms=self.wall_ms() if created_ms is None else created_ms,
            network=self.world.network,
        )
        return self.world.opened(record.raw)

    def show(self, *records: Verified, only: Collection[int] | None = None) -> None:
        """Publish records of one author to all neighbours, or to some; and keep them."""
        self.take(records)
        data = pack_gossip([record.raw for record in records])
        self.world.net.publish(self, fx.Channel.RECORDS, data, only=only)

    def ask(self, peer: int, stream: str, request: bytes) -> None:
        """Ask a peer something out of the blue; what it answers is thrown away."""
        arrives_ms = self.world.net.carry(self.index, peer, len(request))
        if arrives_ms is not None:
            self.world.schedule.at(arrives_ms, self._asked, peer, stream, request)

    def _asked(self, peer: int, stream: str, request: bytes) -> None:
        host = self.world.net.hosts[peer]
        if host.machine is not None:
            host.answer(stream, self.index, request)

    def sides(self, count: int) -> list[list[int]]:
        """Deal its neighbours into so many parts; some are empty if it has too few."""
        neighbours = list(self.routes)
        self.dice.shuffle(neighbours)
        return [neighbours[at::count] for at in range(count)]

    def a_task(self, input_bytes: bytes, *, seats: int = 3) -> Task:
        """Ask for something anew."""
        nonce = self.dice.bytes(NONCE_BYTES)
        return Task(
            nonce, CAPABILITY.task_type, CAPABILITY.model_digest, input_bytes, seats, 0, b""
        )

    def id_of(self, task: Task) -> TaskId:
        """Name a task of its own."""
        return task_id_of(self.world.network.network_id, self.key, task)

    def a_seal(
        self, task_id: TaskId, result: Result, juror: PublicKey | None = None
    ) -> tuple[Commitment, bytes]:
        """Seal a result; return the commitment and the salt that opens it."""
        salt = self.dice.bytes(SALT_BYTES)
        network_id = self.world.network.network_id
        return commitment_of(network_id, task_id, juror or self.key, salt, result), salt

    def a_jury(self, task_id: TaskId, seats: Sequence[Seat]) -> Jury:
        """Seat some, whatever their number; itself it may not seat."""
        by_juror = {seat.juror: seat for seat in seats if seat.juror != self.key}
        return Jury(task_id, tuple(sorted(by_juror.values())))

    def a_stranger(self, name: object) -> Seat:
        """Return a seat for somebody who does not exist."""
        return Seat(self.another_key(name).public_key, Commitment(self.dice.bytes(32)))


class Restless(Forger, ABC):
    """A forger that does something again and again.

    Attributes:
        every_ms: How often it acts.
        is_busy: Whether it goes on.
    """

    cast = "restless"
    every_ms = 1_000

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.is_busy = True

    def begun(self) -> None:
        """Begin to act."""
        self.world.schedule.after(self.dice.below(self.every_ms), self._go_on, self.life)

    def rest(self) -> None:
        """Stop until it is told to go on."""
        self.is_busy = False

    def go_on(self) -> None:
        """Act again after a rest."""
        if not self.is_busy:
            self.is_busy = True
            self.begun()

    @abstractmethod
    def act(self) -> None:
        """Do one thing."""

    def _go_on(self, life: int) -> None:
        if life != self.life or not self.is_busy:
            return
        if self.routes:
            self.act()
        self.world.schedule.after(self.every_ms, self._go_on, life)
