"""Every number that all nodes of one network share; their digest names the network."""

from dataclasses import dataclass

from protocol.canonical import pack
from protocol.errors import Malformed
from protocol.ids import NetworkId, PublicKey, sha256

NETWORK_DOMAIN = b"aimarket/network/1\0"
GENESIS_BYTES = 16
# The one network whose genesis is known beforehand: SHA-256 of its name, cut.
PUBLIC_GENESIS = sha256(b"aimarket public network")[:GENESIS_BYTES]

# Limits of the format itself: they are the same on every network.
TEXT_BYTES_MAX = 64
ADDRESSES_MAX = 16
ADDRESS_BYTES_MAX = 256
TTL_MS_MAX = 1_800_000
PPM = 1_000_000
UINT_END = 2**53  # integers stay exact in every language that reads them
GOSSIP_RECORDS_MAX = 64
GOSSIP_BYTES_MAX = 60_000  # one yamux frame holds 64 KiB; larger messages could interleave


@dataclass(frozen=True, slots=True)
class NetworkParams:
    """What every node of a network must agree on, in the order in which it is hashed.

    Attributes:
        genesis: 16 random bytes, made once per network, so that two networks never mix.
        name: For people, 1 to 64 bytes.
        record_bytes_max: The whole packed record.
        statements_max: Statements in one record.
        input_bytes_max: A task's input.
        answer_bytes_max: An answer's value.
        alias_bytes_max: A profile's alias.
        capabilities_max: Capabilities in one presence.
        seats_max: Seats of one task.
        attempts_max: The highest `attempt`.
        near_tie_ppm: Margins below this excuse a dissenter.
        record_work_bits: Zero bits asked of every record id.
        members: Who may write, strictly ascending; empty means anyone.
    """

    genesis: bytes = PUBLIC_GENESIS
    name: str = "aimarket"
    record_bytes_max: int = 32 * 1024
    statements_max: int = 256
    input_bytes_max: int = 16 * 1024
    answer_bytes_max: int = 1024
    alias_bytes_max: int = 64
    capabilities_max: int = 64
    seats_max: int = 31
    attempts_max: int = 4
    near_tie_ppm: int = 20_000
    record_work_bits: int = 0
    members: tuple[PublicKey, ...] = ()

    def __post_init__(self) -> None:
        """Refuse parameters that two nodes could pack differently."""
        if len(self.genesis) != GENESIS_BYTES:
            raise Malformed(f"genesis: {len(self.genesis)} bytes, need {GENESIS_BYTES}")
        if not 1 <= len(self.name.encode()) <= TEXT_BYTES_MAX:
            raise Malformed(f"network name {self.name!r}: need 1 to {TEXT_BYTES_MAX} bytes")
        if list(self.members) != sorted(set(self.members)):
            raise Malformed("members: need strictly ascending keys")


@dataclass(frozen=True, slots=True)
class Network:
    """Parameters together with the id they hash to."""

    params: NetworkParams
    network_id: NetworkId


def network_of(params: NetworkParams) -> Network:
    """Name a network by the digest of its parameters."""
    fields = [getattr(params, name) for name in NetworkParams.__slots__ if name != "members"]
    digest = sha256(NETWORK_DOMAIN, pack([*fields, list(params.members)]))
    return Network(params, NetworkId(digest[:16]))
