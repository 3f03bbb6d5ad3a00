"""Homes behind routers: what leaves one carries the router's address, and nobody comes in unasked.

Every home has the same private addresses, as homes have, and its nodes know no other.
"""

from tests.chaos.bed import PORT, Bed, BedNode
from tests.chaos.wires import Plug, _ip, _run

INSIDE_HOST = "192.168.1.2"
ROUTER_HOST = "192.168.1.1"

_RULES = """
table ip nat {
  chain out { type nat hook postrouting priority 100; oifname "eth0" masquerade PORTS; }
}
table ip door {
  chain unasked {
    ct state established,related accept
    iifname "eth0" counter drop
  }
  chain forward { type filter hook forward priority 0; policy accept; jump unasked; }
  chain input { type filter hook input priority 0; policy accept; jump unasked; }
}
"""
_FORWARDED = f"""
table ip forwarded {{
  chain in {{
    type nat hook prerouting priority -100;
    iifname "eth0" tcp dport {PORT} dnat to {INSIDE_HOST}
  }}
}}
insert rule ip door unasked iifname "eth0" oifname "lan" tcp dport {PORT} accept
"""


class Home:
    """One node behind a router of its own.

    Attributes:
        router: The router, on the bridge like everybody; its host is the home's public address.
        node: The node inside, not started yet.
    """

    def __init__(
        self,
        bed: Bed,
        name: str,
        *options: str,
        forwards: bool = False,
        keeps_ports: bool = True,
    ) -> None:
        """Build the router and describe the node.

        Args:
            bed: Where it stands.
            name: What the node is called.
            options: Of the node, beside the usual ones.
            forwards: Whether the router lets the node's port through.
            keeps_ports: Whether connections leave the router from the port they came from.
        """
        self.router = bed.wires.plug(f"{name}-router")
        inside = f"{self.router.namespace}-home"
        _ip(None, f"netns add {inside}")
        _ip(
            self.router.namespace,
            f"link add lan type veth peer name eth0 netns {inside}",
            f"addr add {ROUTER_HOST}/24 dev lan",
            "link set lan up",
        )
        _ip(
            inside,
            f"addr add {INSIDE_HOST}/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
            f"route add default via {ROUTER_HOST}",
        )
        enter = ("ip", "netns", "exec", self.router.namespace)
        _run(*enter, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        rules = _RULES.replace("PORTS", "" if keeps_ports else "fully-random")
        _run(*enter, "nft", "-f", "-", given=rules + (_FORWARDED if forwards else ""))
        plug = Plug(inside, self.router.port, INSIDE_HOST, self.router.number)
        common = (
            *("--listen", f"/ip4/0.0.0.0/tcp/{PORT}", "--rpc-port", "0"),
            *("--network-genesis", bed.genesis, "--task-type", "echo"),
        )
        self.node = BedNode(name, bed.home, (*common, *options), plug)
        self.node.home.mkdir(exist_ok=True)
        bed.nodes.append(self.node)

    def refused(self) -> int:
        """Return how many packets came unasked and were dropped."""
        rules = _run(
            "ip", "netns", "exec", self.router.namespace, "nft", "list", "table", "ip", "door"
        )
        return int(rules.partition("counter packets ")[2].split()[0])
