"""N2: lines held up one by one, and one that works one way only, lead to no storm of dials.

`tests/sim/test_network_faults.py` shows that records come through the same weather; there,
connections come back by themselves. Here they come back as on a real node, by its joiner.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from bootstrap.dial_policy import DELAY_MS_MAX
from bootstrap.dialing import Allows, Connected, anywhere
from bootstrap.join import Joiner
from bootstrap.leads import parse_lead
from bootstrap.peer_book import PeerBook
from protocol.errors import MarketError
from protocol.ids import PeerId
from tests.bootstrap.join_scene import NETWORK, FakeDialer, Link, most_in_a_window
from tests.bootstrap.peer_names import public
from tests.sim.seeds import seeds

NODES = 7
ADDRESSES = [public(group, 1) for group in range(1, NODES + 1)]
NAMES = [PeerId(text.rpartition("/p2p/")[2]) for text in ADDRESSES]
NUMBER = {name: number for number, name in enumerate(NAMES)}
STORM_S = 180.0
CLOG_S_MAX = 20.0
CLOGGED_TOGETHER_MAX = 4
DIAL_S = 5.0  # until a dial that nobody answers is given up
DEAD_S = (10.0, 25.0)  # until a connection that is dead is noticed and cut
# Each pair, after the longest pause that may have begun just before: a dial and a look later.
LINKED_WITHIN_S = DELAY_MS_MAX / 1_000 + DIAL_S + 2
WHOLE_WITHIN_S = 30.0  # a way from everybody to everybody once there is calm air
VICTIM_WITHIN_S = 60.0
ALONE_S = LINKED_WITHIN_S + 1  # the victim stays cut off for so long once the others have calm air
DIALS_PER_MINUTE_MAX = 10
VICTIM = 0


@dataclass
class Town:
    """Nodes that dial each other over lines of which each direction may be held up.

    Attributes:
        rng: When what happens, and to whom.
        held: Directed pairs over which nothing comes.
        doors: How each node dials, and whom it is connected to.
        joiners: Who decides to.
        refuses: Whether a dial that cannot succeed fails at once, as where no process listens.
    """

    rng: random.Random
    refuses: bool
    held: set[tuple[int, int]] = field(default_factory=set)
    doors: list["Door"] = field(default_factory=list)
    joiners: list[Joiner] = field(default_factory=list)

    def reaches(self, one: int, other: int) -> bool:
        return not {(one, other), (other, one)} & self.held

    def is_linked(self, one: int, other: int) -> bool:
        return NAMES[other] in self.doors[one].links

    async def hold(self, one: int, other: int, seconds: float) -> None:
        """Let nothing come from one to another for some time; the connection may die of it."""
        self.held.add((one, other))
        with trio.move_on_after(seconds):
            await trio.sleep(self.rng.uniform(*DEAD_S))
            self.lose(one, other)
            await trio.sleep_forever()
        self.held.discard((one, other))

    def lose(self, one: int, other: int) -> None:
        for here, there in ((one, other), (other, one)):
            self.doors[here].links.pop(NAMES[there], None)
            self.joiners[here].look()

    async def clog(self) -> None:
        """Hold up lines one by one; each is free again at a moment of its own."""
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(STORM_S - CLOG_S_MAX):
                while True:
                    for _ in range(self.rng.randint(1, CLOGGED_TOGETHER_MAX)):
                        pair = self.rng.sample(range(NODES), 2)
                        if VICTIM not in pair and tuple(pair) not in self.held:
                            seconds = self.rng.uniform(0.5, CLOG_S_MAX)
                            nursery.start_soon(self.hold, *pair, seconds)
                    await trio.sleep(self.rng.uniform(2.5, 7.5))


class Door(FakeDialer):
    """Dials over the lines of a town."""

    def __init__(self, town: Town, own: int) -> None:
        super().__init__()
        self.town = town
        self.own = own

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        name = PeerId(address.rpartition("/p2p/")[2])
        other = NUMBER[name]
        self.dials.append((trio.current_time(), address))
        await trio.sleep(0.1)
        if not self.town.reaches(self.own, other):
            await trio.sleep(0 if self.town.refuses else DIAL_S)
            raise MarketError(f"cannot reach {address}")
        self.links[name] = Link(name, address.rpartition("/p2p/")[0])
        back = self.town.doors[other].links
        back.setdefault(NAMES[self.own], Link(NAMES[self.own], ADDRESSES[self.own], outbound=False))
        return name

    def peers(self) -> Sequence[Connected]:
        return tuple(self.links.values())


def build(seed: int) -> Town:
    rng = random.Random(seed)
    town = Town(rng, refuses=rng.random() < 0.3)
    for own in range(NODES):
        door = Door(town, own)
        town.doors.append(door)
        town.joiners.append(
            Joiner(
                own_id=NAMES[own],
                network=NETWORK,
                dialer=door,
                book=PeerBook(secret=rng.randbytes(16)),
                leads=[parse_lead(ADDRESSES[1])] if own != 1 else [],
                save=saved_nowhere,
                clock_ms=lambda: 1_000_000 + int(trio.current_time() * 1000),
                date_ms=lambda: 1_000_000 + int(trio.current_time() * 1000),
                dice=rng.random,
                report=lambda line: None,
                notice=lambda line: None,
            )
        )
    return town


async def saved_nowhere(data: bytes) -> None:
    await trio.lowlevel.checkpoint()


def dials_by_pair(town: Town) -> dict[tuple[int, int], list[float]]:
    found = defaultdict(list)
    for door in town.doors:
        for moment, address in door.dials:
            found[door.own, NUMBER[PeerId(address.rpartition("/p2p/")[2])]].append(moment)
    return found


def unlinked(town: Town, *, but: int | None = None) -> list[tuple[int, int]]:
    return [
        (one, other)
        for one in range(NODES)
        for other in range(NODES)
        if one != other and but not in (one, other) and not town.is_linked(one, other)
    ]


def reached(town: Town, start: int) -> set[int]:
    """Return who hears of what a node says, by however many others."""
    found, new = {start}, [start]
    while new:
        one = new.pop()
        beyond = {NUMBER[name] for name in town.doors[one].links} - found
        found |= beyond
        new.extend(beyond)
    return found


@pytest.mark.parametrize("seed", seeds(300, usual=3))
async def test_join__dials_nobody_ten_times_a_minute_however_lines_come_and_go(
    autojump_clock: MockClock, seed: int
) -> None:
    town = build(seed)
    async with trio.open_nursery() as nursery:
        for joiner in town.joiners:
            await nursery.start(joiner.run)
        await trio.sleep(1)
        for joiner in town.joiners:
            for name, text in zip(NAMES, ADDRESSES, strict=True):
                joiner.learn(name, [text], NAMES[1])
        await trio.sleep(15)
        assert unlinked(town) == []
        for other in range(NODES):
            if other != VICTIM:
                nursery.start_soon(town.hold, other, VICTIM, STORM_S + ALONE_S)
        nursery.start_soon(town.clog)
        await trio.sleep(STORM_S + WHOLE_WITHIN_S)
        assert reached(town, 1) == set(range(NODES)) - {VICTIM}
        await trio.sleep(LINKED_WITHIN_S - WHOLE_WITHIN_S)
        assert unlinked(town, but=VICTIM) == []
        assert not town.doors[VICTIM].links
        await trio.sleep(ALONE_S - LINKED_WITHIN_S + VICTIM_WITHIN_S)
        assert reached(town, VICTIM) == set(range(NODES))
        await trio.sleep(LINKED_WITHIN_S - VICTIM_WITHIN_S)
        assert unlinked(town) == []
        nursery.cancel_scope.cancel()

    most = max(most_in_a_window(dials, 60) for dials in dials_by_pair(town).values())
    print(f"seed {seed}: at most {most} dials of a peer in any minute")
    assert 4 <= most <= DIALS_PER_MINUTE_MAX
