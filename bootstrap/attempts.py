"""What came of dialling, and whether one more dial would be too many."""

from collections import deque
from collections.abc import Callable, Mapping

from bootstrap.dial_policy import (
    PEER_DIALS_MAX,
    PEER_WINDOW_MS,
    Pace,
    Trial,
    after_failure,
    after_foreigner,
    after_move,
    after_success,
    may_dial,
)

TRIALS_MAX = 4_096  # addresses whose failures are remembered: five times what a full book holds


class Attempts:
    """Trials by address and dials by peer, the oldest forgotten first.

    A lead that names no peer stands for one itself.

    Args:
        clock_ms: A monotonic clock.
        dice: A number from 0 up to but not including 1.
    """

    def __init__(self, *, clock_ms: Callable[[], int], dice: Callable[[], float]) -> None:
        self._clock_ms = clock_ms
        self._dice = dice
        self._trials: dict[str, Trial] = {}
        self._dials_ms: dict[str, deque[int]] = {}
        self._pace = Pace(clock_ms())

    @property
    def trials(self) -> Mapping[str, Trial]:
        """Return what came of each address."""
        return self._trials

    @property
    def left(self) -> int:
        """Return how many dials may begin now."""
        self._pace = self._pace.at(self._clock_ms())
        return self._pace.left

    def weary(self) -> set[str]:
        """Return the peers that were dialled so often of late that they are left alone."""
        now_ms = self._clock_ms()
        self._forget_dials(now_ms)
        return {peer for peer, dials in self._dials_ms.items() if not may_dial(dials, now_ms)}

    def begin(self, peer: str) -> None:
        """Count one dial of a peer; only while some are left."""
        now_ms = self._clock_ms()
        self._pace = self._pace.at(now_ms).less_one()
        self._forget_dials(now_ms)
        dials = self._dials_ms.pop(peer, None) or deque(maxlen=PEER_DIALS_MAX)
        dials.append(now_ms)
        self._dials_ms[peer] = dials

    def failed(self, address: str) -> None:
        """Note that an attempt led to nothing."""
        self._put(address, after_failure(self._take(address), self._clock_ms(), self._dice()))

    def succeeded(self, address: str) -> None:
        """Note that a connection came about."""
        self._put(address, after_success(self._take(address), self._clock_ms(), self._dice()))

    def led_astray(self, address: str, *, is_configured: bool) -> None:
        """Note that the connection was to somebody who is not of our network."""
        foreign = after_foreigner(self._take(address), self._clock_ms(), is_configured)
        self._put(address, foreign)

    def moved(self) -> None:
        """Note that our own address changed."""
        now_ms = self._clock_ms()
        for address, trial in self._trials.items():
            self._trials[address] = after_move(trial, now_ms, self._dice())

    def _forget_dials(self, now_ms: int) -> None:
        """Drop who was not dialled of late; what stays is as much as the pace lets begin."""
        while self._dials_ms:
            peer, dials = next(iter(self._dials_ms.items()))  # the one that was dialled longest ago
            if now_ms - dials[-1] < PEER_WINDOW_MS:
                return
            del self._dials_ms[peer]

    def _take(self, address: str) -> Trial:
        return self._trials.pop(address, Trial())

    def _put(self, address: str, trial: Trial) -> None:
        self._trials[address] = trial
        while len(self._trials) > TRIALS_MAX:
            del self._trials[next(iter(self._trials))]
