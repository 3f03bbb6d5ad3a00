"""R2: nobody but its own machine reaches the RPC of a node, by IPv4 or by IPv6."""

import json
import os
import re
import socket
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import PORT, BedNode, bed
from tests.chaos.conftest import Tell
from tests.chaos.wires import Plug, inside

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("wired"), pytest.mark.timeout(120)]

LISTENING, UNCONNECTED = "0A", "07"
STATE_OF = {"tcp": LISTENING, "tcp6": LISTENING, "udp": UNCONNECTED, "udp6": UNCONNECTED}
ANSWER_S = 2.0

Socket = tuple[str, str, int]  # tcp or udp, the IP address, the port


def open_sockets(pid: int) -> set[Socket]:
    """Return what a process and its children wait at for whoever comes."""
    ours = {
        inode
        for one in (pid, *children_of(pid))
        for link in Path(f"/proc/{one}/fd").iterdir()
        for inode in re.findall(r"^socket:\[(\d+)\]$", os.readlink(link))
    }
    found = set()
    for table, state in STATE_OF.items():
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and fields[9] in ours:
                host, port = fields[1].split(":")
                found.add((table[:3], address_in(host), int(port, 16)))
    return found


def address_in(digits: str) -> str:
    """Read an IP address as the kernel writes it: words of 32 bits, each by its own byte order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    return str(ip_address(struct.pack(f"={len(words)}I", *words)))


def children_of(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for listed in lists for child in listed.read_text().split()]


def knock(caller: Plug, host: str, port: int) -> str:
    """Return what comes of a connection."""
    with inside(caller.namespace):
        try:
            socket.create_connection((host, port), timeout=ANSWER_S).close()
        except OSError as error:
            return type(error).__name__
    return "open"


def give_ipv6(plug: Plug) -> str:
    """Give a plug an address of IPv6, too, and return it."""
    host = f"fd77::{plug.number:x}"
    command = ["ip", "-n", plug.namespace, "addr", "add", f"{host}/64", "dev", "eth0", "nodad"]
    subprocess.run(command, check=True)
    return host


@pytest.mark.chaos_ci
def test_rpc__is_reached_from_its_own_machine_alone(
    tmp_path: Path, rng: Random, tell: Tell
) -> None:
    with bed(tmp_path, rng) as town:
        plug, stranger = town.wires.plug("alice"), town.wires.plug("stranger")
        host6, _ = give_ipv6(plug), give_ipv6(stranger)
        ports = ("--listen", f"/ip4/0.0.0.0/tcp/{PORT}", "--listen", f"/ip6/::/tcp/{PORT}")
        more = ("--rpc-port", "0", "--network-genesis", town.genesis, "--task-type", "echo")
        node = BedNode("alice", town.home, (*ports, *more), plug)
        town.home.mkdir(exist_ok=True)
        town.nodes.append(node)
        node.launch()
        node.wait_ready()
        url: str = json.loads((node.directory / "rpc.json").read_text())["url"]
        rpc_port = int(url.rpartition(":")[2])

        shown = open_sockets(node.pid)
        tell(f"open sockets: {sorted(shown)}")
        gossip = [knock(stranger, host, PORT) for host in (plug.host, host6)]
        hosts = (plug.host, host6, "127.0.0.1", "::1", f"::ffff:{plug.host}")
        rpc = {host: knock(stranger, host, rpc_port) for host in hosts}
        own = knock(plug, "127.0.0.1", rpc_port)
        town.stop_all([node])

    assert shown == {
        ("tcp", "127.0.0.1", rpc_port),
        ("tcp", "0.0.0.0", PORT),  # noqa: S104
        ("tcp", "::", PORT),
    }
    assert gossip == ["open", "open"]  # so that a refusal below is the node's
    assert own == "open"
    assert set(rpc.values()) == {"ConnectionRefusedError"}, rpc
