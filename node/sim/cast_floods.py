"""Hosts that say too much: without end, with wrong dates, or what was said long ago."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from node.core import effects as fx
from node.exchange import pack_blobs
from node.sim.forge import NONCE_BYTES, Forger, Restless
from node.sim.message import Message
from node.sim.models import CAPABILITY, POSITIVE, result
from node.sim.session import PUSH
from protocol.gossip import pack_gossip, unpack_gossip
from protocol.ids import Commitment, Digest, PublicKey, TaskId
from protocol.params import GOSSIP_BYTES_MAX, GOSSIP_RECORDS_MAX
from protocol.record import Verified
from protocol.sealing import SALT_BYTES
from protocol.statements import Commit, Presence, Profile, Reveal, Statement, Task

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEYS = 200  # of one flooder
RECORDS_TOGETHER = 8
STATEMENTS_TOGETHER = 8
KNOWN_TASKS = 32  # that it hangs commits on
HEARD_MAX = 4_096  # messages a replayer remembers
PUSHED_TOGETHER = 64


class Flooder(Restless):
    """Sends as fast as it can what is valid and adds nothing, and what is wrong in every way.

    Attributes:
        is_valid_only: Whether it keeps to what nobody can blame it for.
    """

    cast = "flooder"
    every_ms = 50

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.is_valid_only = False

    def act(self) -> None:
        """Send one message."""
        if self.is_valid_only or self.dice.chance(600_000):
            signer = self.another_key(self.dice.below(KEYS))
            count = self.dice.between(1, RECORDS_TOGETHER)
            self.show(*(self.sign(*self._nothing(), signer=signer) for _ in range(count)))
        else:
            self.dice.pick(_WRONG)(self)

    def send(self, channel: fx.Channel, data: bytes) -> None:
        """Publish bytes as they are."""
        self.world.net.publish(self, channel, data)

    def a_presence(self) -> Verified:
        """Sign a presence that nobody has seen yet."""
        told = Presence((CAPABILITY,), 0, 30_000, (), 0, 0, bytes(16), Digest(bytes(32)))
        return self.sign(told, created_ms=self.wall_ms() + self.dice.below(1_000))

    def _nothing(self) -> list[Statement]:
        return [self._statement() for _ in range(self.dice.between(1, STATEMENTS_TOGETHER))]

    def _statement(self) -> Statement:
        known = list(self.world.users.by_task)[-KNOWN_TASKS:]
        task_id = TaskId(self.dice.bytes(32))
        if known and self.dice.chance(500_000):
            task_id = self.dice.pick(known)
        match self.dice.below(4):
            case 0:
                return Commit(task_id, Commitment(self.dice.bytes(32)))
            case 1:
                return Reveal(task_id, result(POSITIVE), self.dice.bytes(SALT_BYTES))
            case 2:
                return Profile(self.dice.below(1_000_000), "one of many", "")
            case _:
                nonce = self.dice.bytes(NONCE_BYTES)
                return Task(nonce, "nothing", b"", self.dice.bytes(20), 3, 0, b"")


def _send_dice(flooder: Flooder) -> None:
    flooder.send(fx.Channel.RECORDS, flooder.dice.bytes(flooder.dice.between(1, 2_000)))


def _send_too_much(flooder: Flooder) -> None:
    flooder.send(fx.Channel.RECORDS, flooder.dice.bytes(GOSSIP_BYTES_MAX + 1))


def _send_too_many(flooder: Flooder) -> None:
    raws = [flooder.dice.bytes(100) for _ in range(GOSSIP_RECORDS_MAX + 1)]
    flooder.send(fx.Channel.RECORDS, pack_gossip(raws))


def _break_a_signature(flooder: Flooder) -> None:
    raw = flooder.sign(flooder.a_task(b"not signed")).raw
    flooder.send(fx.Channel.RECORDS, pack_gossip([raw[:-1] + bytes([raw[-1] ^ 1])]))


def _speak_for_another(flooder: Flooder) -> None:
    """Put somebody else's name over its own words."""
    raw = flooder.sign(flooder.a_task(b"not mine")).raw
    other = flooder.dice.pick([host for host in flooder.world.hosts if host is not flooder])
    forged = raw.replace(flooder.key, other.key, 1)
    flooder.send(fx.Channel.RECORDS, pack_gossip([forged]))


def _mix_authors(flooder: Flooder) -> None:
    """Put two authors into one message."""
    two = [flooder.sign(Profile(1, "", ""), signer=flooder.another_key(one)) for one in (1, 2)]
    flooder.send(fx.Channel.RECORDS, pack_gossip([one.raw for one in two]))


def _slip_in_one_wrong(flooder: Flooder) -> None:
    """Put a broken record behind a good one."""
    good, bad = (flooder.sign(flooder.a_task(text)).raw for text in (b"good", b"bad"))
    broken = bad[:-1] + bytes([bad[-1] ^ 1])
    flooder.send(fx.Channel.RECORDS, pack_gossip([good, broken]))


def _mistake_the_topic(flooder: Flooder) -> None:
    flooder.send(fx.Channel.RECORDS, pack_gossip([flooder.a_presence().raw]))
    flooder.send(fx.Channel.PRESENCE, pack_gossip([flooder.sign(Profile(0, "", "")).raw]))


_WRONG: Sequence[Callable[[Flooder], None]] = (
    _send_dice,
    _send_too_much,
    _send_too_many,
    _break_a_signature,
    _speak_for_another,
    _mix_authors,
    _slip_in_one_wrong,
    _mistake_the_topic,
)


class Backdater(Restless):
    """Lives an hour ago, and signs for old hours, for the next one and for tomorrow.

    What is dated into an hour long past lies below everybody's horizon; what is ahead is stored
    and not passed on, so that sync has to bring both.
    """

    cast = "backdater"
    every_ms = 500

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.clock.offset_ms = -HOUR_MS

    def act(self) -> None:
        """Sign for some other moment."""
        now_ms = self.wall_ms()
        date_ms = self.dice.pick(
            (
                now_ms - self.dice.below(3 * DAY_MS),
                now_ms // HOUR_MS * HOUR_MS - self.dice.between(1, 1_000),
                now_ms + 2 * HOUR_MS,
                now_ms + HOUR_MS + DAY_MS,
                self.dice.below(2**53 - 1),
                0,
            )
        )
        said: Statement = Profile(self.dice.below(1_000), "from another time", "")
        if self.dice.chance(300_000):
            said = Commit(TaskId(self.dice.bytes(32)), Commitment(self.dice.bytes(32)))
        elif self.dice.chance(100_000):
            said = self.a_task(self.dice.bytes(8))
        signer = None if isinstance(said, Task) else self.another_key(self.dice.below(KEYS))
        self.show(self.sign(said, created_ms=date_ms, signer=signer))


class PresenceReplayer(Restless):
    """Says again who was here long ago, itself from ever later dates."""

    cast = "presence replayer"
    every_ms = 200

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self._heard: dict[PublicKey, list[bytes]] = {}
        self._own: Verified | None = None
        self._ahead_ms = 0

    def hear(self, message: Message, sender: int) -> None:
        """Remember every presence."""
        if message.channel is fx.Channel.PRESENCE and message.records:
            raws = self._heard.setdefault(message.records[0].author, [])
            raws.extend(record.raw for record in message.records)
            del raws[:-HEARD_MAX]
        super().hear(message, sender)

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Remember its own last one."""
        if channel is fx.Channel.PRESENCE:
            record = self.world.opened(unpack_gossip(data)[0])
            if record.author == self.key:
                self._own = record
        super().publish(channel, data)

    def act(self) -> None:
        """Replay one, or two of one author at once, in whatever order."""
        if self._own is not None and self._own.presence is not None and self.dice.chance(100_000):
            self._ahead_ms += HOUR_MS
            later_ms = self.wall_ms() + self._ahead_ms
            raws = [self.sign(replace(self._own.presence, load=0), created_ms=later_ms).raw]
        elif self._heard:
            of_one = self._heard[self.dice.pick(list(self._heard))]
            raws = [self.dice.pick(of_one) for _ in range(self.dice.between(1, 2))]
        else:
            return
        self.world.net.publish(self, fx.Channel.PRESENCE, pack_gossip(raws))


class Replayer(Restless):
    """Says again whatever it heard, in the same messages and in new ones; signs nothing by hand.

    Attributes:
        said: How many messages it sent.
    """

    cast = "replayer"
    every_ms = 50

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.said = 0
        self._messages: list[bytes] = []
        self._raws: dict[PublicKey, list[bytes]] = {}

    def hear(self, message: Message, sender: int) -> None:
        """Remember every message."""
        if message.channel is fx.Channel.RECORDS and message.records:
            self._messages.append(message.data)
            del self._messages[:-HEARD_MAX]
            raws = self._raws.setdefault(message.records[0].author, [])
            raws.extend(record.raw for record in message.records)
            del raws[:-HEARD_MAX]
        super().hear(message, sender)

    def act(self) -> None:
        """Replay a message, or records of one author in an order never seen, or push some."""
        if not self._messages:
            return
        self.said += 1
        author = self.dice.pick(list(self._raws))
        match self.dice.below(3):
            case 0:
                data = self.dice.pick(self._messages)
                self.world.net.publish(self, fx.Channel.RECORDS, data)
            case 1:
                few = [self.dice.pick(self._raws[author]) for _ in range(RECORDS_TOGETHER)]
                self.world.net.publish(self, fx.Channel.RECORDS, pack_gossip(few))
            case _:
                some = [self.dice.pick(self._raws[author]) for _ in range(PUSHED_TOGETHER)]
                self.ask(self.dice.pick(list(self.routes)), PUSH, pack_blobs(some))


FLOODS: Sequence[type[Forger]] = (Flooder, Backdater, PresenceReplayer, Replayer)
