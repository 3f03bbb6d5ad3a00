"""Wires of our own: network namespaces on a bridge, and all that can go wrong with a wire.

The bridge has a namespace too, so nothing here touches the network of the machine. Every name holds
the process that made it; what a killed run left is swept away by the next. Needs root.
"""

import ctypes
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

PREFIX = "aimbed"
NAMESPACES = Path("/run/netns")
PLUGS_MAX = 200  # one byte of the address, with room for the relay
TABLE = "bed"
MOVED_NET = "10.77.1."  # where plugs go that move; those that stay are in 10.77.0
CLONE_NEWNET = 0x40000000
# A line of 1 Mbit/s sends one full packet in 12 ms; it may wait for as long as home routers let it.
BURST = "16kb"
LATENCY = "400ms"

_RULES = f"""
table bridge {TABLE} {{
  set severed {{ type ifname . ifname; }}
  chain counting {{ }}
  chain losing {{ }}
  chain passing {{
    type filter hook forward priority 0; policy accept;
    iifname . oifname @severed drop
    jump counting
    jump losing
  }}
}}
"""


class CannotWire(Exception):
    """The machine refuses what wires need; the message says what, in one line."""


@dataclass(frozen=True, slots=True)
class Plug:
    """One end of a wire.

    Attributes:
        namespace: Where its owner lives.
        port: The name of the other end, at the bridge.
        host: Its IP address.
        number: Counts plugs from 1.
    """

    namespace: str
    port: str
    host: str
    number: int

    @property
    def hardware(self) -> str:
        """Return its link address."""
        return f"02:00:00:00:00:{self.number:02x}"


class Wires:
    """A bridge, and whoever is plugged in; everybody reaches everybody until told otherwise."""

    def __init__(self) -> None:
        sweep()
        self._mark = f"{PREFIX}-{os.getpid()}-{_started_ticks(os.getpid())}-{time.monotonic_ns()}"
        self.switch = f"{self._mark}-switch"
        self.plugs: list[Plug] = []
        self._moves = itertools.count(1)
        try:
            _ip(None, f"netns add {self.switch}")
            _ip(self.switch, "link add name bridge type bridge", "link set bridge up")
            self._nft(_RULES)
        except CannotWire:
            self.close()
            raise

    def plug(self, name: str) -> Plug:
        """Make a namespace and wire it to the bridge."""
        number = len(self.plugs) + 1
        assert number <= PLUGS_MAX, f"{number} plugs, at most {PLUGS_MAX}"
        made = Plug(f"{self._mark}-{name}", f"p{number}", f"10.77.0.{number}", number)
        _ip(None, f"netns add {made.namespace}")
        self.plugs.append(made)
        # One segment a packet: what is lost or held up is then what would be on a real line.
        _ip(
            self.switch,
            f"link add {made.port} gso_max_segs 1 type veth peer name eth0"
            f" address {made.hardware} gso_max_segs 1 netns {made.namespace}",
            f"link set {made.port} addrgenmode none master bridge up",
        )
        _ip(
            made.namespace,
            f"addr add {made.host}/16 dev eth0",
            "link set eth0 addrgenmode none up",
            "link set lo up",
            *(_neighbour(other) for other in self.plugs if other is not made),
        )
        for other in self.plugs[:-1]:
            _ip(other.namespace, _neighbour(made))
        for way in ("iif", "oif"):
            counter = f"{way}_{made.port}"
            self._nft(f"add counter bridge {TABLE} {counter}")
            rule = f'{way}name "{made.port}" counter name "{counter}"'
            self._nft(f"add rule bridge {TABLE} counting {rule}")
        return made

    def move(self, plug: Plug) -> Plug:
        """Take its address from a plug and give it another, as happens when a line comes back."""
        moved = replace(plug, host=f"{MOVED_NET}{next(self._moves)}")
        others = [known for known in self.plugs if known is not plug]
        _ip(
            plug.namespace,
            f"addr del {plug.host}/16 dev eth0",
            f"addr add {moved.host}/16 dev eth0",
            *map(_neighbour, others),
        )
        for other in others:
            _ip(other.namespace, _neighbour(moved))
        self.plugs[self.plugs.index(plug)] = moved
        return moved

    def sever(self, pairs: Iterable[tuple[Plug, Plug]]) -> None:
        """Let nothing through between the plugs of each pair, either way, and say nothing."""
        elements = [f'"{a.port}" . "{b.port}"' for one in pairs for a, b in (one, one[::-1])]
        if elements:
            self._nft(f"add element bridge {TABLE} severed {{ {', '.join(elements)} }}")

    def mend(self) -> None:
        """Let everything through again that was severed."""
        self._nft(f"flush set bridge {TABLE} severed")

    def lose(self, percent: int) -> None:
        """Drop so many of all packets, at random; the kernel's dice know no seed."""
        self._nft(f"flush chain bridge {TABLE} losing")
        if percent:
            rule = f"numgen random mod 100 < {percent} drop"
            self._nft(f"add rule bridge {TABLE} losing {rule}")

    def slow(self, mbit: int) -> None:
        """Give every plug a line of so many Mbit/s each way."""
        limit = f"root tbf rate {mbit}mbit burst {BURST} latency {LATENCY}"
        for plug in self.plugs:
            _tc(self.switch, f"qdisc replace dev {plug.port} {limit}")
            _tc(plug.namespace, f"qdisc replace dev eth0 {limit}")

    def wire_bytes(self, plug: Plug) -> int:
        """Return how many bytes of IP packets went to and from a plug so far."""
        listed = json.loads(
            _run("ip", "netns", "exec", self.switch, "nft", "-j", "list", "counters")
        )
        found = [one["counter"] for one in listed["nftables"] if "counter" in one]
        ours = {f"{way}_{plug.port}" for way in ("iif", "oif")}
        return sum(one["bytes"] for one in found if one["name"] in ours)

    def close(self) -> None:
        """End whatever still runs on the wires, and take them down."""
        for namespace in _namespaces(self._mark):
            _remove(namespace)

    def _nft(self, script: str) -> None:
        _run("ip", "netns", "exec", self.switch, "nft", "-f", "-", given=script)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Let sockets that this thread opens belong to a namespace; they stay there."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(NAMESPACES / namespace, os.O_RDONLY)
        try:
            _enter(there)
            try:
                yield
            finally:
                _enter(here)
        finally:
            os.close(there)
    finally:
        os.close(here)


def sweep() -> None:
    """Take down what runs that were killed have left, and only that."""
    for namespace in _namespaces(PREFIX):
        _, pid, ticks, *_ = namespace.split("-")
        if _started_ticks(int(pid)) != int(ticks):
            _remove(namespace)


def probe() -> str:
    """Return why the machine cannot do all this, in one line; empty if it can."""
    if os.geteuid() != 0:
        return "not root: network namespaces need it"
    try:
        wires = Wires()
        try:
            one, other = wires.plug("one"), wires.plug("other")
            wires.sever([(one, other)])
            wires.lose(20)
            wires.slow(1)
            assert wires.wire_bytes(one) == 0, "counters begin at zero"
        finally:
            wires.close()
    except CannotWire as error:
        return str(error)
    return ""


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _namespaces(prefix: str) -> list[str]:
    if not NAMESPACES.is_dir():
        return []
    return [path.name for path in NAMESPACES.iterdir() if path.name.startswith(f"{prefix}-")]


def _remove(namespace: str) -> None:
    for pid in _run("ip", "netns", "pids", namespace).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue
    _run("ip", "netns", "del", namespace)


def _started_ticks(pid: int) -> int | None:
    """Return when a process started; with it, a process id is never mistaken for another."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _neighbour(plug: Plug) -> str:
    # Known for good: a peer behind a cut wire is then silent, rather than "unreachable" at once.
    return f"neigh replace {plug.host} lladdr {plug.hardware} dev eth0 nud permanent"


def _ip(namespace: str | None, *commands: str) -> None:
    where = [] if namespace is None else ["-n", namespace]
    _run("ip", *where, "-batch", "-", given="\n".join(commands))


def _tc(namespace: str, command: str) -> None:
    _run("tc", "-n", namespace, *command.split())


def _run(*command: str, given: str = "") -> str:
    """Run a tool of the system.

    Raises:
        CannotWire: It is not there, or failed.
    """
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotWire(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[:200]
        raise CannotWire(f"`{' '.join(command)}` failed: {said}")
    return done.stdout
