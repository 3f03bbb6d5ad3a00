"""How long a node's event loop stood still at worst, its start not counted."""

from tests.loopback.nodes import RealNode, until

SAMPLE_WITHIN_S = 15.0  # one is taken every five seconds


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
