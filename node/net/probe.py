"""Finds out whether the other end of a connection still lives.

The probe of the library takes a peer that serves no ping for a dead one: it looks for an error that
the negotiation it calls has put into another. js-libp2p serves ping only where it is asked to.
"""

import logging

import trio
from libp2p.abc import INetConn
from libp2p.host.ping import perform_ping_roundtrip
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from node.net.stack import PING
from node.net.streams import end_stream

logger = logging.getLogger(__name__)


async def is_answering(conn: INetConn, *, within_s: float) -> bool:
    """Return whether a ping is answered in time, or refused: the dead refuse nothing."""
    stream = None
    is_alive = False
    with trio.move_on_after(within_s):
        try:
            stream = await conn.new_stream()
            communicator, client = MultiselectCommunicator(stream), MultiselectClient()
            await client.handshake(communicator)
            try:
                await client.try_select(communicator, PING)
                await perform_ping_roundtrip(stream)
            except ProtocolNotSupportedError as error:
                logger.debug("a peer serves no ping: %s", error)
            is_alive = True
        except Exception as error:  # the library raises what it likes while a connection dies
            peer_id = conn.muxed_conn.peer_id
            logger.debug("a probe failed: %r", error, extra={"peer": str(peer_id)})
        finally:
            if stream is not None:
                await end_stream(stream, politely=is_alive)
    return is_alive
