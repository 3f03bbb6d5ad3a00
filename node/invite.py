"""One line of text by which a stranger joins: the network, one of its nodes, and where that is.

    aimarket://join/ and base32 of: what `pack` makes of the fields, and 4 bytes of a sum over it

Letters and digits alone, so that no shell and no messenger breaks it; capitals or small alike, so
that a QR code holds it as what it encodes best. The sum tells a mistyped link from another one.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from multiaddr import Multiaddr

from bootstrap.addresses import TEXT_BYTES_MAX as ADDRESS_BYTES_MAX
from bootstrap.addresses import BadAddress, parse_address
from bootstrap.reachable import by_turns
from node.errors import UsageError
from node.names import key_of, peer_id_of
from node.network_limits import MEMBERS_MAX, RANGES, check_params
from protocol.canonical import Reader, pack, read_exactly
from protocol.errors import Malformed
from protocol.ids import NetworkId, PeerId, PublicKey, sha256
from protocol.keys import is_author_key
from protocol.params import (
    GENESIS_BYTES,
    PUBLIC_GENESIS,
    TEXT_BYTES_MAX,
    UINT_END,
    Network,
    NetworkParams,
    network_of,
)

SCHEME = "aimarket://join/"
SUM_DOMAIN = b"aimarket/invite/1\0"
SUM_BYTES = 4
VERSION = 1
ADDRESSES_MAX = 4  # a QR code of more is too large for a terminal
CHARS_MAX = 2_048  # four of the longest addresses fit
LIMITS = tuple(RANGES)
SHOWN_MAX = 40
_DEFAULTS = NetworkParams()


class BadInvite(UsageError):
    """A link is no invite, was mistyped or cut, or is one that this program cannot follow."""


@dataclass(frozen=True, slots=True)
class Invite:
    """What a link says.

    Attributes:
        network_id: Which network it is for.
        name: The network's name.
        network: The network itself; None if it lists members, whom no link can hold.
        members_count: How many members it lists; 0 if everybody who knows it may write.
        peer_id: Who is there.
        addresses: Where, full multiaddrs.
    """

    network_id: NetworkId
    name: str
    network: Network | None
    members_count: int
    peer_id: PeerId
    addresses: tuple[str, ...]


def make_invite(network: Network, peer_id: PeerId, addresses: tuple[str, ...]) -> Invite:
    """Return an invite to a network by one of its nodes.

    Of more addresses than fit, public ones, those behind a relay and private ones are taken by
    turns: who follows it may be far away or in the next room.
    """
    count = len(network.params.members)
    is_few = len(addresses) <= ADDRESSES_MAX
    return Invite(
        network.network_id,
        network.params.name,
        None if count else network,
        count,
        peer_id,
        addresses if is_few else tuple(by_turns(addresses)[:ADDRESSES_MAX]),
    )


def write_invite(invite: Invite) -> str:
    """Return the link."""
    packed = _packed(invite)
    raw = packed + _sum_of(packed)
    return SCHEME + base64.b32encode(raw).decode().rstrip("=").lower()


def is_link(text: str) -> bool:
    """Answer whether a text is meant to be a link."""
    return text[: len(SCHEME)].lower() == SCHEME


def read_invite(text: str) -> Invite:
    """Read a link.

    Raises:
        BadInvite: What is wrong with it, in one line.
    """
    shown = repr(text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "...")
    if len(text) > CHARS_MAX:
        raise BadInvite(f"link {shown}: {len(text)} characters, at most {CHARS_MAX}")
    if not is_link(text) or not text.isascii():
        raise BadInvite(f"link {shown}: need one that begins with {SCHEME}")
    coded = text[len(SCHEME) :].upper()
    try:
        raw = base64.b32decode(coded + "=" * (-len(coded) % 8))
    except (binascii.Error, ValueError):
        raise BadInvite(f"link {shown}: was mistyped; a-z and 2-7 stand in it alone") from None
    packed, total = raw[:-SUM_BYTES], raw[-SUM_BYTES:]
    if total != _sum_of(packed):
        raise BadInvite(f"link {shown}: was mistyped or cut; its sum is not that of the rest")
    try:
        invite = read_exactly(packed, _read, _packed)
    except (Malformed, BadAddress) as error:
        raise BadInvite(f"link {shown}: {error}") from error
    if write_invite(invite) != text.lower():
        raise BadInvite(f"link {shown}: is not written as this program writes it")
    return invite


def _packed(invite: Invite) -> bytes:
    genesis, limits = b"", []
    if invite.network is not None:
        params = invite.network.params
        genesis = b"" if params.genesis == PUBLIC_GENESIS else params.genesis
        limits = [getattr(params, name) for name in LIMITS]
        if limits == [getattr(_DEFAULTS, name) for name in LIMITS]:
            limits = []
    return pack(
        [
            VERSION,
            invite.network_id,
            invite.name,
            genesis,
            limits,
            invite.members_count,
            key_of(invite.peer_id),
            [_place_bytes(address, invite.peer_id) for address in invite.addresses],
        ]
    )


def _read(reader: Reader) -> Invite:
    reader.array("invite", 8, 8)
    if reader.uint("version", UINT_END - 1) != VERSION:
        raise Malformed(f"version: need {VERSION}")
    network_id = NetworkId(reader.blob("network id", 16, 16))
    name = reader.text("name", 1, TEXT_BYTES_MAX)
    if not name.isprintable():
        raise Malformed(f"name {name!r}: need text that can be printed")
    genesis = reader.blob("genesis", 0, GENESIS_BYTES)
    count = reader.array("limits", 0, len(LIMITS))
    values = [reader.uint("limit", UINT_END - 1) for _ in range(count)]
    if len(genesis) not in (0, GENESIS_BYTES) or len(values) not in (0, len(LIMITS)):
        raise Malformed(f"genesis of {len(genesis)} bytes, {len(values)} limits")
    members_count = reader.uint("members", MEMBERS_MAX)
    public_key = PublicKey(reader.blob32("public key"))
    if not is_author_key(public_key):
        raise Malformed("public key: is none of Ed25519")
    peer_id = peer_id_of(public_key)
    addresses = tuple(
        _address_of(reader.blob("address", 1, ADDRESS_BYTES_MAX), peer_id)
        for _ in range(reader.array("addresses", 1, ADDRESSES_MAX))
    )
    network = None
    if not members_count:
        limits: dict[str, Any] = dict(zip(LIMITS, values, strict=False))
        params = NetworkParams(genesis=genesis or PUBLIC_GENESIS, name=name, **limits)
        network = network_of(check_params(params))
        if network.network_id != network_id:
            told = f"this program makes {network.network_id.hex()} of what it says"
            raise Malformed(f"network {network_id.hex()}, but {told}; is one of the two older?")
    return Invite(network_id, name, network, members_count, peer_id, addresses)


def _place_bytes(address: str, peer_id: PeerId) -> bytes:
    """Return where an address is, without who is there."""
    place: bytes = Multiaddr(address.removesuffix(f"/p2p/{peer_id}")).to_bytes()
    return place


def _address_of(place: bytes, peer_id: PeerId) -> str:
    """Return the full address again, in its one spelling."""
    try:
        text = f"{Multiaddr(place)}/p2p/{peer_id}"
    except Exception as error:  # the multiaddr package raises what its codecs raise
        raise Malformed(f"address {place[:16].hex()}: not a multiaddr") from error
    address = parse_address(text)
    if address.text != text or address.peer_id != peer_id:
        raise Malformed(f"address {text}: is not in its one spelling")
    return text


def _sum_of(packed: bytes) -> bytes:
    return sha256(SUM_DOMAIN, packed)[:SUM_BYTES]
