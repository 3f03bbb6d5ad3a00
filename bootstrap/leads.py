"""What an operator may name to join by: a full address, or less than that.

A place without a peer id is taken at its word once and pinned from then on; a `/dnsaddr` name
stands for the addresses in its TXT records.
"""

import re
from dataclasses import dataclass

from bootstrap.addresses import (
    FIRST_PARTS,
    PORT_MAX,
    TEXT_BYTES_MAX,
    UNSPECIFIED,
    BadAddress,
    PeerAddress,
    check_name,
    parse_address,
    read_parts,
)
from protocol.ids import PeerId

DNSADDR = "/dnsaddr/"
ID_BYTES = len("/p2p/") + 52  # of what follows a place once it is known who is there
NEED = (
    "write it as HOST:PORT, /ip4/HOST/tcp/PORT, /ip4/HOST/tcp/PORT/p2p/PEER_ID or /dnsaddr/NAME, "
    "or give an invite"
)
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/\s]+)):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A place to dial whose owner is not known yet.

    Attributes:
        text: Its multiaddr in canonical spelling, without a peer id.
        host: An IP address or a name.
        port: The TCP port.
    """

    text: str
    host: str
    port: int

    def address_of(self, peer_id: PeerId) -> str:
        """Return the full address once it is known who is there."""
        return f"{self.text}/p2p/{peer_id}"


@dataclass(frozen=True, slots=True)
class AddressList:
    """A name whose TXT records list addresses.

    Attributes:
        text: Its multiaddr in canonical spelling.
        name: The DNS name, without the `_dnsaddr` before it.
        peer_id: The only peer wanted from the list; None for all of them.
    """

    text: str
    name: str
    peer_id: PeerId | None


Lead = PeerAddress | OpenPlace | AddressList


def parse_lead(text: str) -> Lead:
    """Read what stands after `--bootstrap`.

    Raises:
        BadAddress: It is none of the forms, or cannot be dialled.
    """
    shown = repr(text if len(text) <= TEXT_BYTES_MAX else text[:60] + "...")
    if len(text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise BadAddress(f"bad address {shown}: longer than {TEXT_BYTES_MAX} bytes")
    if text.startswith(DNSADDR):
        return _parse_list(text, shown)
    if text.startswith("/"):
        return parse_address(text) if "/p2p" in text else _parse_place(text, shown)
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise BadAddress(f"bad address {shown}: {NEED}")
    ip6, host, port = match.groups()
    if ip6 is not None:
        return _parse_place(f"/ip6/{ip6}/tcp/{int(port)}", shown)
    first = "ip4" if re.fullmatch(r"[0-9.]+", host) else "dns"
    if first == "dns":
        check_name(host, shown)
    return _parse_place(f"/{first}/{host}/tcp/{int(port)}", shown)


def _parse_place(text: str, shown: str) -> OpenPlace:
    address, names, values = read_parts(text, shown)
    if len(names) != 2 or names[0] not in FIRST_PARTS or names[1] != "tcp":
        raise BadAddress(f"bad address {shown}: {NEED}")
    host, port = values[names[0]], int(values["tcp"])
    if host in UNSPECIFIED:
        raise BadAddress(f"bad address {shown}: {host} means any address; name the one to dial")
    if not 1 <= port <= PORT_MAX:
        raise BadAddress(f"bad address {shown}: port {port} is not within 1 to {PORT_MAX}")
    if names[0].startswith("dns"):
        check_name(host, shown)
    if len(str(address)) + ID_BYTES > TEXT_BYTES_MAX:
        raise BadAddress(
            f"bad address {shown}: with a peer id it is longer than {TEXT_BYTES_MAX} bytes"
        )
    return OpenPlace(str(address), host, port)


def _parse_list(text: str, shown: str) -> AddressList:
    name, _, end = text.removeprefix(DNSADDR).partition("/")
    check_name(name, shown)
    name = name.lower().removesuffix(".")
    if not end:
        return AddressList(DNSADDR + name, name, None)
    word, _, peer_id = end.partition("/")
    if word != "p2p":
        raise BadAddress(f"bad address {shown}: write it as /dnsaddr/NAME or /dnsaddr/NAME/p2p/ID")
    try:  # the rule for a peer id is in one place
        parsed = parse_address(f"/ip4/192.0.2.1/tcp/1/p2p/{peer_id}")
    except BadAddress as error:
        raise BadAddress(f"bad address {shown}: {peer_id!r} is no Ed25519 peer id") from error
    return AddressList(f"{DNSADDR}{name}/p2p/{parsed.peer_id}", name, parsed.peer_id)
