"""Full peer addresses: where a node can be dialled and who must answer there."""

import re
from dataclasses import dataclass

from multiaddr import Multiaddr

from protocol.errors import MarketError
from protocol.ids import PeerId

TEXT_BYTES_MAX = 256  # as in a Presence statement
FIRST_PARTS = ("ip4", "ip6", "dns", "dns4", "dns6")
PORT_MAX = 65_535
CIRCUIT = "/p2p-circuit"
HINT = "add /p2p/PEER_ID: the other node prints its full address"
ED25519_ID_PREFIX = bytes.fromhex("002408011220")  # identity multihash of a 32-byte Ed25519 key
ED25519_ID_BYTES = len(ED25519_ID_PREFIX) + 32
UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104 - refused, never bound
NAME_BYTES_MAX = 253
NO_UNDERSCORE = "no '_' may be in the name of a host: name it otherwise, or write its IP address"
# The `_` is for lists of addresses; of hosts the multiaddr package takes no name that has one.
_NAME = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_])?\.?")
# What ends so may be an IPv4 address to a resolver, which takes hundreds of spellings of each. The
# "ends-in-a-number checker" of the WHATWG URL standard, https://url.spec.whatwg.org/#host-parsing.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")


class BadAddress(MarketError):
    """An address cannot be dialled as it is written; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """One place to dial and the identity that must answer.

    Attributes:
        text: The whole address in its canonical spelling.
        peer_id: The identity at its end.
        host: An IP address or a name.
        port: The TCP port.
        relay: The full address of the relay before it, whose host and port these are; or empty.
    """

    text: str
    peer_id: PeerId
    host: str
    port: int
    relay: str = ""


def parse_address(text: str) -> PeerAddress:
    """Read one full multiaddr, such as `/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...`.

    Behind a relay it is the address of the relay, `/p2p-circuit` and `/p2p/PEER_ID`.

    Raises:
        BadAddress: It is not one, lacks its peer id, or cannot be dialled.
    """
    shown = repr(text if len(text) <= TEXT_BYTES_MAX else text[:60] + "...")
    if len(text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise BadAddress(f"bad address {shown}: longer than {TEXT_BYTES_MAX} bytes")
    if not text.startswith("/"):
        raise BadAddress(f"bad address {shown}: {_advice(text)}")
    before, circuit, behind = text.partition(CIRCUIT)
    if circuit:
        return _behind(before, behind, shown)
    address, names, values = read_parts(text, shown)
    if "p2p" not in names:
        raise BadAddress(f"bad address {shown}: {HINT}")
    if len(names) != 3 or names[0] not in FIRST_PARTS or names[1:] != ["tcp", "p2p"]:
        raise BadAddress(f"bad address {shown}: write it as /ip4/HOST/tcp/PORT/p2p/PEER_ID")
    host, port = values[names[0]], int(values["tcp"])
    if host in UNSPECIFIED:
        raise BadAddress(f"bad address {shown}: {host} means any address; name the one to dial")
    if not 1 <= port <= PORT_MAX:
        raise BadAddress(f"bad address {shown}: port {port} is not within 1 to {PORT_MAX}")
    if names[0].startswith("dns"):
        check_name(host, shown)
    if not address.to_bytes()[-ED25519_ID_BYTES:].startswith(ED25519_ID_PREFIX):
        raise BadAddress(f"bad address {shown}: the peer id names no Ed25519 key")
    return PeerAddress(str(address), PeerId(values["p2p"]), host, port)


def read_parts(text: str, shown: str) -> tuple[Multiaddr, list[str], dict[str, str]]:
    """Return a multiaddr, the names of its parts in order, and what each of them says.

    Args:
        text: What may be one.
        shown: What a person is told that it was.

    Raises:
        BadAddress: It is none.
    """
    try:
        address = Multiaddr(text)
        names = [part.name for part in address.protocols()]
        return address, names, {name: str(address.value_for_protocol(name)) for name in names}
    except Exception as error:  # the multiaddr package raises what its codecs raise
        if has_underscore(text):
            raise BadAddress(f"bad address {shown}: {NO_UNDERSCORE}") from error
        raise BadAddress(f"bad address {shown}: not a multiaddr: {error}") from error


def has_underscore(text: str) -> bool:
    """Answer whether what would be a multiaddr begins with a name that has a `_` in it."""
    return re.match("/dns[46]?/[^/]*_", text) is not None


def check_name(name: str, shown: str) -> None:
    """See that a host is a DNS name, and no IP address in disguise.

    Args:
        name: The host.
        shown: What a person is told that it stands in.

    Raises:
        BadAddress: It is none.
    """
    if not _NAME.fullmatch(name) or len(name) > NAME_BYTES_MAX or ".." in name:
        raise BadAddress(
            f"bad address {shown}: {name!r} is no name: at most {NAME_BYTES_MAX} of A-Z, 0-9, . -"
        )
    if _ENDS_IN_A_NUMBER.fullmatch(name):
        raise BadAddress(
            f"bad address {shown}: {name!r} is no name, it ends in a number; "
            "write an IP address as /ip4/HOST or /ip6/HOST"
        )


def _behind(before: str, rest: str, shown: str) -> PeerAddress:
    """Return the address of a peer behind a relay, from what stands on both sides of CIRCUIT."""
    try:
        relay = parse_address(before)
    except BadAddress as error:
        raise BadAddress(f"bad address {shown}: its relay: {error}") from error
    address, names, values = read_parts(rest, shown)
    if names != ["p2p"]:
        raise BadAddress(f"bad address {shown}: after {CIRCUIT} comes /p2p/PEER_ID alone")
    if not address.to_bytes()[-ED25519_ID_BYTES:].startswith(ED25519_ID_PREFIX):
        raise BadAddress(f"bad address {shown}: the peer id names no Ed25519 key")
    peer_id = PeerId(values["p2p"])
    if peer_id == relay.peer_id:
        raise BadAddress(f"bad address {shown}: the relay is the peer itself")
    text = f"{relay.text}{CIRCUIT}{address}"
    return PeerAddress(text, peer_id, relay.host, relay.port, relay.text)


def _advice(text: str) -> str:
    match = re.fullmatch(r"\[?([0-9A-Za-z.:_-]+?)\]?:(\d{1,5})", text)
    if match is None:
        return "write it as /ip4/HOST/tcp/PORT/p2p/PEER_ID"
    host, port = match.groups()
    is_ip4 = re.fullmatch(r"[0-9.]+", host) is not None
    first = "ip6" if ":" in host else "ip4" if is_ip4 else "dns4"
    return f"write it as /{first}/{host}/tcp/{port}/p2p/PEER_ID; {HINT}"
