"""Who is here: says once that a peer can be talked to, and once that it left."""

import logging
from collections import Counter
from collections.abc import Callable

from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from node.ports import PeerWatcher
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

# How often a peer may arrive before it leaves: each time it is told who is here, which takes far
# more bytes than to say that it follows no more and then again. Whoever starts anew is seen to
# leave first, unless its machine went without a word.
ARRIVALS_MAX = 8


class Roster:
    """Turns the many events of connections and subscriptions into arrivals and one departure.

    A peer that starts anew before we noticed that it left arrives a second time: what we told its
    former life is lost. It does so ARRIVALS_MAX times at most, until it has left.
    """

    def __init__(
        self,
        *,
        watcher: PeerWatcher,
        is_connected: Callable[[ID], bool],
        follows_all: Callable[[ID], bool],
    ) -> None:
        self._watcher = watcher
        self._is_connected = is_connected
        self._follows_all = follows_all
        self._following: dict[ID, bool] = {}  # of those the watcher was told of
        self._arrivals: Counter[ID] = Counter()

    def update(self, peer_id: ID) -> None:
        """Look at a peer anew and tell the watcher if it came or went."""
        is_known = peer_id in self._following
        if not self._is_connected(peer_id):
            if is_known:
                del self._following[peer_id]
                del self._arrivals[peer_id]
                self._tell(peer_id, False)
            return
        follows_all = self._follows_all(peer_id)
        if follows_all and not self._following.get(peer_id, False):
            self._following[peer_id] = True
            self._arrivals[peer_id] += 1
            if self._arrivals[peer_id] <= ARRIVALS_MAX:
                self._tell(peer_id, True)
        elif is_known:
            self._following[peer_id] = follows_all

    def notifee(self, connected: Callable[[INetConn], None]) -> INotifee:
        """Return what the host tells of connections; `connected` also hears of each new one."""
        return _Notifee(self, connected)

    def _tell(self, peer_id: ID, is_here: bool) -> None:
        try:
            self._watcher(PeerId(str(peer_id)), is_here)
        except Exception:  # we are called by the library, which would end with it
            logger.exception("the peer watcher failed", extra={"peer": str(peer_id)})


class _Notifee(INotifee):
    def __init__(self, roster: Roster, connected: Callable[[INetConn], None]) -> None:
        self._roster = roster
        self._connected = connected

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        self._connected(conn)
        self._roster.update(conn.muxed_conn.peer_id)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        self._roster.update(conn.muxed_conn.peer_id)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        """Take no notice."""

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        """Take no notice."""

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Take no notice."""

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Take no notice."""
