"""Real nodes, each in its own network namespace: tests cut their wires and set their clocks.

A bed is a street whose houses stand apart: everything `tests.loopback.nodes` says of a `RealNode`
holds here too.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from node.sim.shapes import between
from tests.chaos.shapes import Pairs, Shape
from tests.chaos.wires import NAMESPACES, Plug, Wires, inside
from tests.loopback.nodes import ROOT, RealNode, Street, environment, until, wait_capable

PORT = 7460
RELAY_PORTS_FROM = 7_000
RELAY_READY_S = 20.0
STOP_ALL_S = 30.0
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True, slots=True)
class Delay:
    """How late every byte between two nodes arrives: about so much, give or take the jitter."""

    delay_ms: int
    jitter_ms: int


class BedNode(RealNode):
    """A node in its own namespace.

    Attributes:
        plug: Its end of the wire.
        module: What is run; a test may put its own program before the daemon.
        arguments: What that program is told before the options of a node.
        clock: A file that says how wrong its clock is; None for the true clock.
    """

    def __init__(self, name: str, home: Path, options: Sequence[str], plug: Plug) -> None:
        super().__init__(name, home, options)
        self.plug = plug
        self.module = "node.main"
        self.arguments: tuple[str, ...] = ()
        self.clock: Path | None = None

    def can_fork(self) -> bool:
        is_usual = type(self).program is BedNode.program
        return is_usual and self.module == "node.main" and not self.arguments

    def namespace(self) -> str | None:
        return str(NAMESPACES / self.plug.namespace)

    def program(self) -> tuple[str, ...]:
        """Enter the namespace first; the process stays the same."""
        enter = ("ip", "netns", "exec", self.plug.namespace)
        return (*enter, sys.executable, "-m", self.module, *self.arguments)

    def surroundings(self) -> dict[str, str]:
        """Put a false Unix clock before the true one; the monotonic one is never touched."""
        if self.clock is None:
            return environment()
        return environment(
            LD_PRELOAD=FAKETIME,
            FAKETIME_TIMESTAMP_FILE=str(self.clock),
            FAKETIME_CACHE_DURATION="1",  # how soon a new setting counts, in seconds
            DONT_FAKE_MONOTONIC="1",
            # Its guess at this would turn every wait for Python's big lock into a busy loop.
            FAKETIME_FORCE_MONOTONIC_FIX="0",
            NO_FAKE_STAT="1",
        )

    def reach(self) -> AbstractContextManager[None]:
        return inside(self.plug.namespace)

    def set_clock(self, offset: str) -> None:
        """Set the Unix clock wrong, as libfaketime writes it: `+1d`, `-3600`, `+0 x2`."""
        if self.clock is None:
            self.clock = self.home.with_name(f"{self.home.name}.{self.name}.clock")
        self.clock.write_text(f"{offset}\n")

    def pause(self) -> None:
        """Stop every thread of the process, as a suspended machine would."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wire_bytes(self, wires: Wires) -> int:
        """Return how many bytes went to and from it so far."""
        return wires.wire_bytes(self.plug)


class Bed(Street):
    """Nodes of one network, each behind a wire; nothing of it outlives the test."""

    def __init__(
        self, home: Path, *, rng: Random, genesis: str | None = None, delay: Delay | None = None
    ) -> None:
        """Begin without a node.

        Args:
            home: Where nodes keep their directories.
            rng: Decides whatever is left to chance.
            genesis: Sets the network apart; None for any.
            delay: How late bytes arrive; None for as fast as they can.
        """
        super().__init__(home, genesis=genesis)
        self.rng = rng
        self.wires = Wires()
        self._delay = delay
        self._relay_plug = self.wires.plug("relay") if delay is not None else None
        self._relays: list[subprocess.Popen[bytes]] = []

    def node(self, name: str, *options: str, home: Path | None = None) -> BedNode:
        """Describe a node that serves `echo`, wired to all others."""
        plug = self.wires.plug(name)
        common = (
            *("--listen", f"/ip4/{plug.host}/tcp/{PORT}", "--rpc-port", "0"),
            *("--network-genesis", self.genesis, "--task-type", "echo", *self._detour(plug)),
        )
        made = BedNode(name, self.home if home is None else home, (*common, *options), plug)
        made.home.mkdir(exist_ok=True)
        self.nodes.append(made)
        return made

    @property
    def bed_nodes(self) -> list[BedNode]:
        """Return all nodes described so far."""
        return [node for node in self.nodes if isinstance(node, BedNode)]

    def gather(self, nodes: Sequence[RealNode]) -> None:
        """Start nodes described before, and wait until each knows every other."""
        first, *rest = nodes
        first.launch()
        first.wait_serving()
        for node in rest:
            node.launch("--bootstrap", first.address)
        for node in nodes:
            node.wait_serving()
        for node in nodes:
            wait_capable(node, len(nodes) - 1)

    def cut(self, shape: Shape) -> Pairs:
        """Cut wires in a shape, and return which."""
        pairs = shape([node.name for node in self.bed_nodes], self.rng)
        self._sever(pairs)
        return pairs

    def partition(self, one: Iterable[str], other: Iterable[str]) -> None:
        """Cut everything between two groups."""
        self._sever(between(tuple(one), tuple(other)))

    def isolate(self, name: str) -> None:
        """Cut one off from all others."""
        self.partition([name], [node.name for node in self.nodes if node.name != name])

    def heal(self) -> None:
        """Mend every wire that was cut."""
        self.wires.mend()

    def stop_all(self, nodes: Iterable[RealNode]) -> None:
        """Ask nodes to end, all at once, and insist that they do so cleanly."""
        asked = list(nodes)
        for node in asked:
            os.kill(node.pid, signal.SIGTERM)
        codes = {node.name: node.wait_ended(within_s=STOP_ALL_S) for node in asked}
        assert set(codes.values()) == {0}, codes

    def close(self) -> None:
        """End everything, paused nodes too."""
        super().close()
        for relay in self._relays:
            relay.kill()
            relay.wait()
        self.wires.close()

    def _sever(self, pairs: Pairs) -> None:
        plugs = {node.name: node.plug for node in self.bed_nodes}
        self.wires.sever((plugs[a], plugs[b]) for a, b in pairs)

    def _detour(self, plug: Plug) -> tuple[str, ...]:
        """Start a relay in front of a plug and allow no other way to it."""
        if self._delay is None or self._relay_plug is None:
            return ()
        port = RELAY_PORTS_FROM + plug.number
        delay = (str(self._delay.delay_ms), str(self._delay.jitter_ms))
        seed = str(self.rng.getrandbits(32))
        enter = ("ip", "netns", "exec", self._relay_plug.namespace)
        route = f"{port}={plug.host}:{PORT}"
        relay = subprocess.Popen(
            [*enter, sys.executable, "-m", "tests.chaos.relay", seed, *delay, route],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        self._relays.append(relay)
        assert relay.stdout is not None
        out = relay.stdout
        until(
            lambda: bool(select.select([out], [], [], 0)[0]) or relay.poll() is not None,
            within_s=RELAY_READY_S,
            what="the relay listens",
        )
        assert relay.poll() is None, f"the relay ended with code {relay.returncode}"
        self.wires.sever((plug, node.plug) for node in self.bed_nodes)
        return ("--announce", f"/ip4/{self._relay_plug.host}/tcp/{port}")


@contextmanager
def bed(
    tmp_path: Path, rng: Random, *, genesis: str | None = None, delay: Delay | None = None
) -> Iterator[Bed]:
    """Lend a bed, and clear it whatever happens."""
    tmp_path.mkdir(exist_ok=True)
    made = Bed(tmp_path / "home", rng=rng, genesis=genesis, delay=delay)
    try:
        yield made
    finally:
        made.close()
