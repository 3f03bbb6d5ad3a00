"""All that a node offers over its RPC, one field for each part."""

from dataclasses import dataclass

from node.explain.diff_views import Differ
from node.explain.port import Explainer
from node.history import History
from node.log_port import Archive
from node.metering import Meter
from node.news import Teller
from node.ports import Market
from node.proof_port import Prover


@dataclass(frozen=True, slots=True)
class Services:
    """What the RPC serves.

    Attributes:
        market: Tasks, scores, peers, and how the node is.
        reporter: What happens, as it happens.
        explainer: Why things are as they are.
        differ: How a peer's log and state differ from ours.
        meter: Numbers for monitoring.
        prover: What others can check for themselves.
        archive: The log as a file.
        history: What happened in the last hour.
    """

    market: Market
    reporter: Teller
    explainer: Explainer
    differ: Differ
    meter: Meter
    prover: Prover
    archive: Archive
    history: History
