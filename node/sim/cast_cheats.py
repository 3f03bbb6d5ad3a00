"""Submitters and jurors that say two things where the protocol allows one."""

from dataclasses import replace

from consensus.verdict import quorum_of
from node.core import effects as fx
from node.core.own import find_opening
from node.exchange import pack_blobs
from node.sim.cast_floods import FLOODS
from node.sim.cast_jurors import Cheat
from node.sim.cast_liars_in_sync import SyncLiar
from node.sim.forge import NONCE_BYTES, Forger
from node.sim.host import Host
from node.sim.models import other, result
from node.sim.session import PUSH
from protocol.gossip import unpack_gossip
from protocol.ids import TaskId
from protocol.record import Verified
from protocol.statements import Commit, Jury, Profile, Result, Reveal, Seat, Statement, Task

SEATS_MAX = 31  # no record may hold more
PUSHED_TOGETHER = 256  # as many as an honest answer would hold
SPREAD_MS = 1_000  # within so much the dates of one statement's several records differ


class Equivocator(Forger):
    """Signs what its machine says, and something else, and shows each to another part.

    Attributes:
        plans: How to cheat with juries; for each, one is drawn.
        juries: Every jury it signed, by task, the honest one first.
        void: Tasks that must be void once all is known, by the plan that was followed.
        again: Tasks whose one jury it signed several times, which proves nothing.
    """

    cast = "equivocator"
    plans: tuple[str, ...] = ("two", "three", "small", "large", "both sizes", "again")

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.juries: dict[TaskId, list[Jury]] = {}
        self.void: dict[TaskId, str] = {}
        self.again: dict[TaskId, None] = {}
        self._second: dict[TaskId, Reveal] = {}  # opens the second commitment

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Show each part of the network its own version of every record."""
        if channel is not fx.Channel.RECORDS:
            super().publish(channel, data)
            return
        for raw in unpack_gossip(data):
            record = self.world.opened(raw)
            if record.jury is not None:
                self._show_juries(record, record.jury)
                continue
            one, two = self.sides(2)
            self.show(record, only=one)
            statements = [self._other(statement) for statement in record.statements]
            date_ms = record.created_ms + self.dice.below(SPREAD_MS)
            self.show(self.sign(*statements, created_ms=date_ms), only=two)

    def _show_juries(self, record: Verified, jury: Jury) -> None:
        plan = self.dice.pick(self.plans)
        task_id = jury.task_id
        if plan == "again":
            self.again[task_id] = None
            self.world.counts.saw("a jury in several records")
            dates_ms = [record.created_ms + self.dice.below(SPREAD_MS) for _ in range(2)]
            records = [record, *(self.sign(jury, created_ms=date_ms) for date_ms in dates_ms)]
        else:
            self.void[task_id] = plan
            self.world.counts.saw("juries that void a task")
            records = [record, *(self.sign(other) for other in self._other_juries(plan, jury))]
        self.juries.setdefault(task_id, []).extend(one.jury for one in records if one.jury)
        for one, side in zip(records, self.sides(len(records)), strict=True):
            self.show(one, only=side)

    def _other_juries(self, plan: str, jury: Jury) -> list[Jury]:
        task_id, seats = jury.task_id, jury.seats
        few = list(seats[: max(1, quorum_of(len(seats)) - 1)])
        many = [*seats, self.a_stranger("extra"), self.a_stranger("more")]
        match plan:
            case "two":
                chosen = [self._reseated(seats)]
            case "three":
                chosen = [self._reseated(seats), self._reseated(seats)]
            case "small":
                chosen = [few]
            case "large":
                chosen = [many]
            case _:
                chosen = [few, many]
        # A jury that is as small or as large as can be is told twice with other names instead.
        fit = [some if len(some) <= SEATS_MAX else self._reseated(seats) for some in chosen]
        fit = [self._reseated(seats) if some == list(seats) else some for some in fit]
        return [self.a_jury(task_id, some) for some in fit]

    def _reseated(self, seats: tuple[Seat, ...]) -> list[Seat]:
        """Put a stranger on one of the seats."""
        left = self.dice.below(len(seats))
        kept = [seat for at, seat in enumerate(seats) if at != left]
        return [*kept, self.a_stranger(self.dice.below(1_000_000))]

    def _other(self, statement: Statement) -> Statement:
        """Return what contradicts a statement, or repeats it, as far as that is possible."""
        match statement:
            case Commit(task_id):
                opening = find_opening(self.rows, task_id, self.world.network.params)
                assert opening is not None, "what opens a commit is written down before it leaves"
                said = _contrary(opening.result)
                commitment, salt = self.a_seal(task_id, said)
                self._second[task_id] = Reveal(task_id, said, salt)
                return Commit(task_id, commitment)
            case Reveal(task_id):
                contrary = replace(statement, result=_contrary(statement.result))
                return self._second.get(task_id, contrary)
            case Profile():
                return replace(statement, alias="two faces")
            case Task() if statement.retry_of:
                return replace(statement, nonce=self.dice.bytes(NONCE_BYTES))
            case _:
                return statement


class JuryFlooder(Forger):
    """Signs juries without end for one task of its own, and brings them by every way in.

    Attributes:
        flood: What it signed, in the order it is shown.
        task_id: For which task; empty before it began.
    """

    cast = "jury flooder"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.flood: list[Verified] = []
        self.task_id = TaskId(b"")

    def begin(self, count: int, *, each_ms: int, seats: int = 3) -> None:
        """Ask for something, then show `count` different juries for it.

        Every other one is gossiped to one neighbour, the rest are pushed as if by sync.
        """
        task = self.a_task(b"a flood of juries", seats=seats)
        self.task_id = self.id_of(task)
        self.show(self.sign(task))
        for number in range(count):
            names = [self.a_stranger(f"{number}/{at}") for at in range(seats)]
            self.flood.append(self.sign(self.a_jury(self.task_id, names)))
        self.dice.shuffle(self.flood)
        pushed = self.flood[1::2]
        for at in range(0, count, 2):
            self.world.schedule.after(at * each_ms // 2, self._gossip, self.flood[at])
        for at in range(0, len(pushed), PUSHED_TOGETHER):
            some = pushed[at : at + PUSHED_TOGETHER]
            self.world.schedule.after(at * each_ms, self._push, some)

    def _gossip(self, record: Verified) -> None:
        neighbours = list(self.routes)
        if neighbours:
            self.show(record, only=[self.dice.pick(neighbours)])

    def _push(self, some: list[Verified]) -> None:
        for peer in self.routes:
            self.ask(peer, PUSH, pack_blobs(one.raw for one in some))


def _contrary(said: Result) -> Result:
    return result(other(said.answer.value))


_CAST: tuple[type[Host], ...] = (Equivocator, JuryFlooder, Cheat, SyncLiar, *FLOODS)
CHEATS: dict[str, type[Host]] = {one.cast: one for one in _CAST}
