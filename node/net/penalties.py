"""How many faults of a peer are forgiven, and for how long it is refused after that."""

from collections import OrderedDict, deque

PEERS_MAX = 1_024  # peers whose faults are remembered; identities are free, memory is not


class Penalties:
    """Counts faults over a sliding window and names who is refused; the caller has the clock."""

    def __init__(self, *, faults_max: int, window_s: float, ban_s: float) -> None:
        self._faults_max = faults_max
        self._window_s = window_s
        self._ban_s = ban_s
        self._faults: OrderedDict[str, deque[float]] = OrderedDict()
        self._banned_until: OrderedDict[str, float] = OrderedDict()

    def blame(self, peer: str, now_s: float) -> bool:
        """Note one fault; return whether it is the one that makes the peer unwelcome."""
        times = self._faults.setdefault(peer, deque(maxlen=self._faults_max))
        self._faults.move_to_end(peer)
        times.append(now_s)
        while len(self._faults) > PEERS_MAX:
            self._faults.popitem(last=False)
        if len(times) < self._faults_max or now_s - times[0] > self._window_s:
            return False
        del self._faults[peer]
        self._banned_until[peer] = now_s + self._ban_s
        self._banned_until.move_to_end(peer)
        while len(self._banned_until) > PEERS_MAX:
            self._banned_until.popitem(last=False)
        return True

    def fault_count(self, peer: str, now_s: float) -> int:
        """Return how many faults count against a peer now: all there can be while it is refused."""
        if self.is_banned(peer, now_s):
            return self._faults_max
        return sum(now_s - time_s <= self._window_s for time_s in self._faults.get(peer, ()))

    def is_banned(self, peer: str, now_s: float) -> bool:
        """Return whether the peer is still refused."""
        until_s = self._banned_until.get(peer)
        if until_s is None:
            return False
        if now_s < until_s:
            return True
        del self._banned_until[peer]
        return False
