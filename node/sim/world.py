"""The simulated world: hosts, the network between them, their users, and one seed for all of it."""

from collections.abc import Iterable
from typing import TypeVar

from node.core.settings import Settings
from node.sim.counts import Counts, Trace
from node.sim.dice import Dice
from node.sim.host import Host
from node.sim.message import opener
from node.sim.models import CAPABILITY, Models
from node.sim.net import Net
from node.sim.schedule import Schedule
from node.sim.users import Users
from node.sim.watch import Watch
from protocol.ids import PublicKey, sha256
from protocol.params import NetworkParams, network_of
from protocol.reconcile_items import PackedItems
from protocol.statements import Capability

LOOK_MS = 500  # at least so often a host is asked whether it waits for something
LOADED_MS = 200  # from the start of a host until its model is loaded; 0: before it meets others
START_MS = 1_000  # hosts that start together do so within this

H = TypeVar("H", bound=Host)


class World:
    """Everything there is in one run.

    Attributes:
        seed: What everything follows from.
        settings: What operators choose unless they choose something else.
        shared: Bytes that all logs have in common.
        copies: Logs as they are compared, by what they add up to.
        keeps_undo: Whether power may be cut.
        look_ms: See `LOOK_MS`; more for thousands of hosts.
        loaded_ms: See `LOADED_MS`.
        blamed: Who was found at fault by whom, and why.
    """

    def __init__(
        self,
        seed: int,
        *,
        settings: Settings | None = None,
        keeps_undo: bool = False,
        look_ms: int = LOOK_MS,
        loaded_ms: int = LOADED_MS,
        wrong_ppm: int = 0,
        run_jitter_ms: int = 0,
        work_bits: int = 0,
    ) -> None:
        self.seed = seed
        self.settings = settings or Settings()
        self.keeps_undo = keeps_undo
        self.look_ms = look_ms
        self.loaded_ms = loaded_ms
        self.network = network_of(
            NetworkParams(
                genesis=sha256(b"simulated", str(seed).encode())[:16],
                name="simulated",
                record_work_bits=work_bits,
            )
        )
        self.opened = opener(self.network)
        self.shared: dict[bytes, bytes] = {}
        self.copies: dict[bytes, PackedItems] = {}
        self.schedule = Schedule()
        self.dice = Dice(seed, "world")
        self.counts = Counts()
        self.trace = Trace()
        self.net = Net(
            schedule=self.schedule,
            dice=Dice(seed, "net"),
            counts=self.counts,
            trace=self.trace,
            opened=self.opened,
        )
        self.models = Models(Dice(seed, "models"), wrong_ppm=wrong_ppm, jitter_ms=run_jitter_ms)
        self.users = Users(self)
        self.oracle = Watch(self)
        self.index_of: dict[PublicKey, int] = {}
        self.blamed: dict[tuple[int, int], str] = {}

    @property
    def hosts(self) -> list[Host]:
        """Return all hosts, by index."""
        return self.net.hosts

    def add(
        self,
        kind: type[H],
        *,
        capabilities: tuple[Capability, ...] = (CAPABILITY,),
        run_ms: int = 50,
        settings: Settings | None = None,
    ) -> H:
        """Put one more host into the world; it is down and linked to nobody."""
        host = kind(
            self, len(self.hosts), capabilities=capabilities, run_ms=run_ms, settings=settings
        )
        self.net.add(host)
        self.index_of[host.key] = host.index
        return host

    def wire(self, dials: int, *, delay_ms: tuple[int, int] = (10, 100)) -> None:
        """Let every host dial some others at random; all can reach each other in the end.

        Args:
            dials: How many each host dials; it is dialled by as many on average.
            delay_ms: The least and the most that a packet takes over a link.
        """
        count = len(self.hosts)
        for index in range(1, count):  # a tree first, so that nobody is cut off
            self.net.link(index, self.dice.below(index), self.dice.between(*delay_ms))
        dials = min(count - 1, dials)
        for index in range(count):
            for _ in range(dials - 1):
                self.net.link(index, self.dice.below(count), self.dice.between(*delay_ms))

    def boot(self, hosts: Iterable[Host] | None = None, *, within_ms: int = START_MS) -> None:
        """Start hosts, all if none are named, each at some moment within a span."""
        for host in list(self.hosts if hosts is None else hosts):
            self.schedule.after(self.dice.below(within_ms), host.boot)

    def run(self, ms: int) -> None:
        """Let time pass."""
        self.schedule.run_until(self.schedule.now_ms + ms)

    def blame(self, host: int, peer: int, reason: str) -> None:
        """Note that a host found a peer at fault."""
        self.blamed.setdefault((host, peer), reason)
