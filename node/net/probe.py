"""Finds out whether the other end of a connection still lives.

The probe of the library takes a peer that serves no ping for a dead one: it looks for an error that
the negotiation it calls has put into another. js-libp2p serves ping only where it is asked to.
"""

import logging
from dataclasses import dataclass

import trio
from libp2p.abc import INetConn
from libp2p.host.ping import perform_ping_roundtrip
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from node.net.stack import PING
from node.net.streams import end_stream

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a probe.

    Attributes:
        is_alive: Whether a ping was answered in time, or refused: the dead refuse nothing.
        latency_ms: The round trip alone, by our own clock; None if there was none.
    """

    is_alive: bool
    latency_ms: float | None = None


async def probe(conn: INetConn, *, within_s: float) -> Probed:
    """Ping the other end of a connection."""
    stream = None
    is_alive, latency_ms = False, None
    with trio.move_on_after(within_s):
        try:
            stream = await conn.new_stream()
            communicator, client = MultiselectCommunicator(stream), MultiselectClient()
            await client.handshake(communicator)
            try:
                await client.try_select(communicator, PING)
                began_s = trio.current_time()
                await perform_ping_roundtrip(stream)
                latency_ms = (trio.current_time() - began_s) * 1_000
            except ProtocolNotSupportedError as error:
                logger.debug("a peer serves no ping: %s", error)
            is_alive = True
        except Exception as error:  # the library raises what it likes while a connection dies
            peer_id = conn.muxed_conn.peer_id
            logger.debug("a probe failed: %r", error, extra={"peer": str(peer_id)})
        finally:
            if stream is not None:
                await end_stream(stream, politely=is_alive)
    return Probed(is_alive, latency_ms)
