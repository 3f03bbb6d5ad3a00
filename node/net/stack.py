"""Builds the libp2p host: noise and yamux over TCP, and nothing else that talks or dials."""

import math
from collections.abc import Sequence
from typing import Any

from libp2p import new_host
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.transport.tcp.tcp import TCP
from multiaddr import Multiaddr

from node.net.identity import key_pair
from node.net.limits import NetLimits
from node.net.sockets import dialable

PING = TProtocol("/ipfs/ping/1.0.0")
IDENTIFY = TProtocol("/ipfs/id/1.0.0")


class LoyalPeerStore(PeerStore):
    """Never evicts ourselves: the library would forget its own key once it knew enough peers."""

    def __init__(self, own_id: ID) -> None:
        super().__init__()
        self._own_id = own_id

    def _enforce_peer_limit(self) -> None:
        own = self.peer_data_map.get(self._own_id)
        super()._enforce_peer_limit()
        if own is not None:
            self.peer_data_map[self._own_id] = own


def build_host(
    *,
    seed: bytes,
    limits: NetLimits,
    announce: Sequence[Multiaddr],
) -> BasicHost:
    """Return a host that is not listening yet and dials nobody of its own accord."""
    keys = key_pair(seed)
    noise = NoiseTransport(libp2p_keypair=keys, noise_privkey=create_noise_key_pair().private_key)
    host = new_host(
        key_pair=keys,
        sec_opt={NOISE: noise},
        muxer_opt={TProtocol(YAMUX): Yamux},
        peerstore_opt=LoyalPeerStore(ID.from_pubkey(keys.public_key)),
        transports=[TCP()],
        addrs_factory=lambda listening: list(announce) or dialable(listening),
        disable_identify_address_discovery=True,
        connection_config=_connection_config(limits),
    )
    if not isinstance(host, BasicHost):
        raise TypeError(f"libp2p built a {type(host).__name__}")
    _silence(host)
    return host


def _connection_config(limits: NetLimits) -> ConnectionConfig:
    return ConnectionConfig(
        max_connections=limits.connections_max,
        min_connections=0,
        low_watermark=0,
        high_watermark=limits.connections_max,
        max_connections_per_peer=3,
        inbound_upgrade_timeout=limits.handshake_s,
        outbound_upgrade_timeout=limits.handshake_s,
        inbound_stream_protocol_negotiation_timeout=limits.request_s,
        outbound_stream_protocol_negotiation_timeout=limits.request_s,
    )


def _silence(host: BasicHost) -> None:
    """Switch off what would dial, count or learn without being asked.

    The resource manager counts connections in ways that leak; our own admission bounds them. We
    learn addresses from signed Presence records, so identify is answered but never asked or pushed.
    """
    swarm: Any = host.get_network()
    swarm.set_resource_manager(None)
    swarm.retry_config = RetryConfig(max_retries=0)

    async def never_connect(*_args: object, **_kwargs: object) -> None:
        """Leave dialling to those who know whom to dial."""

    swarm.auto_connector.maybe_connect = never_connect
    # It would keep when each peer left, and only its own dialling ever forgets one.
    swarm.auto_connector.record_disconnect = lambda _peer_id: None
    swarm.connection_pruner.maybe_prune_connections = never_connect
    for notifee in list(swarm.notifees):
        if type(notifee).__name__ == "_IdentifyNotifee":
            swarm.remove_notifee(notifee)
    for protocol in list(host.get_mux().handlers):
        if protocol not in (PING, IDENTIFY):
            host.get_mux().handlers.pop(protocol)
    # The port's own limiter gives no slot back; ours in `node.net.doorkeeper` does.
    swarm._inbound_limiter.total_tokens = math.inf
