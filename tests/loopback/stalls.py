"""How long a node's event loop stood still at worst, its start not counted.

The node measures that with the machine's clock, so a moment without a core looks like a stall. What
the node itself does wrong shows each time: a scene is played again before it is judged.
"""

from collections.abc import Callable

from tests.loopback.nodes import RealNode, until

SAMPLE_WITHIN_S = 15.0  # one is taken every five seconds
SCENES_MAX = 3
STALL_S = 0.2


def least_stall(play: Callable[[], float]) -> float:
    """Play a scene, again while its longest stall is too long; return the least of those, seconds.

    Args:
        play: Plays the scene once, and returns the longest stall in it, seconds.
    """
    peaks_s: list[float] = []
    while len(peaks_s) < SCENES_MAX and (not peaks_s or peaks_s[-1] > STALL_S):
        peaks_s.append(play())
        print(f"\nlongest stall {peaks_s[-1] * 1e3:.0f} ms")
    return min(peaks_s)


def next_sample_ms(node: RealNode) -> int:
    """Wait for the node's next sample of itself, and return its date, Unix milliseconds."""
    now_ms: int = node.ask("/history")["now_ms"]

    def newest_ms() -> int:
        found = node.ask(f"/history?after={now_ms}")["at_ms"]
        return int(found[-1]) if found else 0

    return until(newest_ms, within_s=SAMPLE_WITHIN_S, what=f"a sample of {node.name}")


def stall_since(node: RealNode, sample_ms: int) -> float:
    """Return the longest stall from a sample to this moment, seconds."""
    next_sample_ms(node)
    history = node.ask(f"/history?after={sample_ms}")
    return float(max(history["series"]["loop_lag_peak_s"]))
