"""A real node that says it has two hundred peers, who come and go: for what shows them.

Only `GET /peers`, the count in `GET /status` and the news of peers are made up; the log, its news
and everything else are the node's. `python -m bench.crowded_node` takes what `aimarket-node` takes.
"""

import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import replace

from consensus.log import state_digest
from consensus.rows import Changes
from node import daemon
from node.main import main
from node.market import NodeMarket
from node.names import peer_id_of
from node.news import Reporter
from node.views import PeerView, StatusView
from protocol.keys import Signer

PEERS = 200  # here at any moment
KNOWN = 240  # who ever come
LINKED = 50  # of those here; the others are only heard of
MOVE_EVERY_S = 1.0  # one leaves and another comes, and some say another state
OTHER_STATES = 20


def crowd() -> list[Signer]:
    """Return the keys of all who ever come, the same in every process."""
    return [Signer(hashlib.sha256(b"crowd %d" % number).digest()) for number in range(KNOWN)]


class Crowd:
    """Who is here now. The longest here leaves, the longest away comes."""

    def __init__(self) -> None:
        self.all = crowd()
        self.differs: set[int] = set()
        self._first = 0
        self._moved_s = time.monotonic()
        self._dice = random.Random(1)

    def here(self) -> list[int]:
        """Return the numbers of those who are here."""
        return [(self._first + at) % KNOWN for at in range(PEERS)]

    def move(self) -> tuple[int, int] | None:
        """Return who left and who came, if it is time."""
        if time.monotonic() < self._moved_s + MOVE_EVERY_S:
            return None
        self._moved_s = time.monotonic()
        left, came = self._first, (self._first + PEERS) % KNOWN
        self._first = (self._first + 1) % KNOWN
        self.differs = set(self._dice.sample(self.here(), OTHER_STATES))
        return left, came


CROWD = Crowd()


class CrowdedMarket(NodeMarket):
    """The node's market, with the crowd for peers."""

    def peers(self, *, limit: int) -> tuple[PeerView, ...]:
        """Return the crowd, by nickname."""
        ours = state_digest(self._doors.log).hex()
        views = [self._one(number, ours) for number in CROWD.here()]
        return tuple(sorted(views, key=lambda view: (view.worker_id, view.peer_id))[:limit])

    def status(self) -> StatusView:
        """Count those of the crowd who are linked."""
        return replace(super().status(), peers=LINKED)

    def _one(self, number: int, ours: str) -> PeerView:
        is_linked = number % (KNOWN // LINKED) == 0
        neighbour = CROWD.all[number - number % (KNOWN // LINKED)].public_key
        return replace(
            self._peer_view(CROWD.all[number].public_key, None, ()),
            address=f"/ip4/127.0.0.1/tcp/{4_000 + number}" if is_linked else "",
            connected=is_linked,
            outbound=number % 2 == 0,
            live=True,
            capabilities=("echo",),
            load=number % 7,
            state_digest="00" * 32 if number in CROWD.differs else ours,
            latency_ms=1.0 + number if is_linked else None,
            in_mesh=is_linked and number % 3 == 0,
            same_state=number not in CROWD.differs,
            heard_through="" if is_linked else peer_id_of(neighbour),
        )


class CrowdedReporter(Reporter):
    """Tells of the crowd, too, whenever the node takes a step."""

    def note_step(self, written: Sequence[Changes]) -> None:
        """Tell what was written, then who left and who came."""
        super().note_step(written)
        moved = CROWD.move()
        if moved is not None:
            for number, is_here in zip(moved, (False, True), strict=True):
                self.note_peer(peer_id_of(CROWD.all[number].public_key), is_here)


if __name__ == "__main__":
    vars(daemon).update(NodeMarket=CrowdedMarket, Reporter=CrowdedReporter)
    main()
