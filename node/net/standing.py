"""What we think of a peer: the score by which the mesh is chosen, never beyond repair."""

from collections.abc import Callable

from libp2p.peer.id import ID

SILENCE_S = 150.0  # a correct node says that it is here at least once in that time
SILENCE_COST = 1.0
PEERS_MAX = 1_024  # of whom we know when they spoke; more are not connected at once


class Standing:
    """Adds up faults and silence: below zero, a peer is not in our mesh until that has passed.

    Faults outlive a connection (`node.net.penalties`); silence begins anew with each, and one
    message ends it. A silent peer still gets what is advertised, and is answered as ever.
    """

    def __init__(self, *, fault_count: Callable[[ID], int], clock: Callable[[], float]) -> None:
        self._fault_count = fault_count
        self._clock = clock
        self._spoke_s: dict[ID, float] = {}

    def meet(self, peer_id: ID) -> None:
        """Begin to wait for a peer's first word."""
        if len(self._spoke_s) < PEERS_MAX:
            self._spoke_s.setdefault(peer_id, self._clock())

    def spoke(self, peer_id: ID) -> None:
        """Note that a peer brought a message that may be one of ours; new or not."""
        if peer_id in self._spoke_s:
            self._spoke_s[peer_id] = self._clock()

    def forget(self, peer_id: ID) -> None:
        """Forget when a peer that left had spoken, not what it did wrong."""
        self._spoke_s.pop(peer_id, None)

    def score(self, peer_id: ID) -> float:
        """Return zero for a peer in good standing, less for any other."""
        spoke_s = self._spoke_s.get(peer_id)
        is_silent = spoke_s is not None and self._clock() - spoke_s >= SILENCE_S
        return -float(self._fault_count(peer_id)) - SILENCE_COST * is_silent
