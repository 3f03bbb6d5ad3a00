"""Links between simulated hosts: gossip from neighbour to neighbour, and questions to a peer."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.core.effects import Channel
from node.sim.counts import Counts, Trace
from node.sim.dice import PPM, Dice
from node.sim.message import NEVER, SEEN_MS, Message, Opener
from node.sim.schedule import Schedule

if TYPE_CHECKING:
    from node.sim.host import Host

DEAD_MS = 15_000  # given up after so long, be it cut one way only: nothing is acknowledged then
RETRANSMIT_MS = 250  # what one lost packet costs a stream
REDIAL_MS = 5_000  # at most, once a peer can be reached again
RETRANSMITS_MAX = 5
REPEATED_MS = 1_000  # a second copy comes at most so much later


@dataclass(slots=True)
class Air:
    """What the weather does to everything that travels; all of it may change while a run goes on.

    Attributes:
        loss_ppm: Gossip lost on a link; a stream is held up instead.
        repeat_ppm: Gossip that comes twice.
        jitter_ms: How much longer than usual a copy may take, which is how they overtake.
        gossip: Whether gossip works at all.
        sync: Whether streams do.
        cut: Directed pairs of hosts between which nothing travels.
        clogged: Directed pairs, and until when all that travels there is held.
    """

    loss_ppm: int = 0
    repeat_ppm: int = 0
    jitter_ms: int = 0
    gossip: bool = True
    sync: bool = True
    cut: dict[tuple[int, int], None] = field(default_factory=dict)
    clogged: dict[tuple[int, int], int] = field(default_factory=dict)


class Net:
    """All links, and every message on its way."""

    def __init__(
        self, *, schedule: Schedule, dice: Dice, counts: Counts, trace: Trace, opened: Opener
    ) -> None:
        self.air = Air()
        self.hosts: list[Host] = []
        self.delays: list[dict[int, int]] = []  # of each host: neighbour -> usual delay
        self.dialled: dict[tuple[int, int], None] = {}  # who dialled whom
        self._schedule = schedule
        self._dice = dice
        self._roll = dice.roll
        self._counts = counts
        self._trace = trace
        self._opened = opened
        self._messages: dict[tuple[Channel, bytes], Message] = {}  # oldest first
        self._serial = 0

    def add(self, host: "Host") -> None:
        """Give a host a place; nobody is linked to it yet."""
        self.hosts.append(host)
        self.delays.append({})
        for message in self._messages.values():
            message.due.append(NEVER)

    def link(self, dialler: int, dialled: int, delay_ms: int) -> None:
        """Let two hosts reach each other; they connect now, or once both are up."""
        if dialler == dialled or dialled in self.delays[dialler]:
            return
        self.delays[dialler][dialled] = self.delays[dialled][dialler] = delay_ms
        self.dialled[dialler, dialled] = None
        self._connect(dialler, dialled)

    def up(self, index: int) -> None:
        """Connect a host that came up with all it can reach, in the order they were linked."""
        for message in self._messages.values():
            message.due[index] = NEVER  # whoever starts anew has seen nothing
        for other in self.delays[index]:
            self._connect(index, other)

    def down(self, index: int) -> None:
        """End all connections of a host."""
        for other in list(self.hosts[index].routes):
            self._disconnect(index, other)

    def publish(
        self,
        host: "Host",
        channel: Channel,
        data: bytes,
        *,
        only: Collection[int] | None = None,
    ) -> Message:
        """Send a message out to the neighbours of a host, or to some of them."""
        now_ms = self._schedule.now_ms
        self._forget(now_ms)
        message = self._messages.get((channel, data))
        if message is None:
            message = Message(
                self._serial, channel, data, hosts=len(self.hosts), until_ms=now_ms + SEEN_MS
            )
            message.open(self._opened)
            self._serial += 1
            self._messages[channel, data] = message
        self._counts.published += 1
        self._counts.presences += channel is Channel.PRESENCE
        self._trace.step(now_ms, host.index, "publishes", message.serial, data)
        message.due[host.index] = 0
        self.spread(host, message, only=only)
        return message

    def spread(
        self,
        host: "Host",
        message: Message,
        *,
        skip: int = -1,
        only: Collection[int] | None = None,
    ) -> None:
        """Pass a message on to the neighbours of a host."""
        air, counts = self.air, self._counts
        if not air.gossip:
            return
        index, due = host.index, message.due
        roll, at, now_ms = self._roll, self._schedule.at, self._schedule.now_ms
        loss, repeat, jitter_ms = air.loss_ppm / PPM, air.repeat_ppm / PPM, air.jitter_ms
        is_calm = not air.cut and not air.clogged
        copies = 0
        for peer, delay_ms in host.routes.items():
            if peer == skip or (only is not None and peer not in only):
                continue
            copies += 1
            arrives_ms = now_ms + delay_ms
            if due[peer] <= arrives_ms:  # it would be thrown away there
                continue
            if loss and roll() < loss:
                counts.lost += 1
                continue
            if jitter_ms:
                arrives_ms += int(roll() * jitter_ms)
            if not is_calm:
                if (index, peer) in air.cut:
                    continue
                arrives_ms = max(arrives_ms, air.clogged.get((index, peer), 0))
            if arrives_ms < due[peer]:
                due[peer] = arrives_ms
                at(arrives_ms, self._deliver, peer, message, index)
            if repeat and roll() < repeat:
                again_ms = arrives_ms + int(roll() * REPEATED_MS)
                at(again_ms, self._deliver_again, peer, message, index)
        counts.copies += copies
        counts.copy_bytes += copies * len(message.data)
        if message.channel is Channel.PRESENCE:
            counts.presence_copies += copies
            counts.presence_bytes += copies * len(message.data)

    def carry(self, sender: int, receiver: int, size: int) -> int | None:
        """Return when a packet of a stream arrives; None if nothing does."""
        air = self.air
        counts = self._counts
        counts.sync_bytes += size
        if receiver not in self.hosts[sender].routes or (sender, receiver) in air.cut:
            return None
        wait_ms = self.delays[sender][receiver]
        if air.jitter_ms:
            wait_ms += int(self._roll() * air.jitter_ms)
        for _ in range(RETRANSMITS_MAX):
            if not air.loss_ppm or not self._dice.chance(air.loss_ppm):
                break
            wait_ms += RETRANSMIT_MS
        arrives_ms = self._schedule.now_ms + wait_ms
        return max(arrives_ms, air.clogged.get((sender, receiver), 0))

    def cut(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Let nothing through between directed pairs."""
        for pair in pairs:
            self.air.cut[pair] = None
            self._schedule.after(DEAD_MS, self._give_up, *pair)

    def mend(self) -> None:
        """Let everything through again; whoever lost a connection dials again."""
        self.air.cut.clear()
        self.air.clogged.clear()
        for pair in self.dialled:
            if pair[1] not in self.hosts[pair[0]].routes:
                self._schedule.after(self._dice.between(0, REDIAL_MS), self._connect, *pair)

    def _give_up(self, sender: int, receiver: int) -> None:
        if (sender, receiver) in self.air.cut:
            self._disconnect(sender, receiver)

    def _connect(self, one: int, other: int) -> None:
        a, b = self.hosts[one], self.hosts[other]
        if a.machine is None or b.machine is None or other in a.routes:
            return
        if (one, other) in self.air.cut or (other, one) in self.air.cut:
            return
        delay_ms = self.delays[one][other]
        a.routes[other] = b.routes[one] = delay_ms
        self._trace.step(self._schedule.now_ms, one, "meets", other)
        a.met(other, outbound=(one, other) in self.dialled)
        if other in a.routes:  # or one of them ended over it
            b.met(one, outbound=(other, one) in self.dialled)

    def _disconnect(self, one: int, other: int) -> None:
        a, b = self.hosts[one], self.hosts[other]
        if a.routes.pop(other, None) is not None:
            del b.routes[one]
            self._trace.step(self._schedule.now_ms, one, "loses", other)
            a.lost(other)
            b.lost(one)

    def _deliver(self, peer: int, message: Message, sender: int) -> None:
        now_ms = self._schedule.now_ms
        if message.due[peer] != now_ms:  # another copy was faster
            return
        host = self.hosts[peer]
        if host.machine is None:
            return
        if host.paused_until_ms > now_ms:  # it lies in a buffer of the system meanwhile
            message.due[peer] = host.paused_until_ms
            self._schedule.at(host.paused_until_ms, self._deliver, peer, message, sender)
            return
        self._trace.came(now_ms, peer, message.serial)
        host.hear(message, sender)

    def _deliver_again(self, peer: int, message: Message, sender: int) -> None:
        """Deliver a copy that the mesh did not recognise."""
        host = self.hosts[peer]
        if host.machine is not None and host.paused_until_ms <= self._schedule.now_ms:
            self._counts.saw("a message came twice")
            self._trace.came(self._schedule.now_ms, peer, message.serial)
            host.hear(message, sender)

    def _forget(self, now_ms: int) -> None:
        while self._messages:
            named, oldest = next(iter(self._messages.items()))
            if oldest.until_ms > now_ms:
                return
            del self._messages[named]
