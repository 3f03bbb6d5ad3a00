"""Peer ids and addresses made from numbers."""

import hashlib

from multiaddr import Multiaddr

from protocol.ids import PeerId


def peer(number: int) -> PeerId:
    key = hashlib.sha256(str(number).encode()).digest()
    raw = bytes.fromhex("a503" + "26" + "002408011220") + key
    return PeerId(str(Multiaddr(raw)).removeprefix("/p2p/"))


def address(number: int, port: int = 4001) -> str:
    host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return f"/ip4/{host}/tcp/{port}/p2p/{peer(number)}"


def public(group: int, number: int, port: int = 4001) -> str:
    """Return the address of a peer in the public network 120.group.0.0/16."""
    name = peer(1_000_000 * (group + 1) + number)
    return f"/ip4/120.{group}.{number >> 8 & 255}.{number & 255}/tcp/{port}/p2p/{name}"
