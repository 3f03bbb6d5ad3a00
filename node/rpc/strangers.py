"""What a node shows to strangers: what it shows its user, but for where anybody is.

Addresses of peers and of the node itself are left out, and so are sentences that may name one, or a
folder of this machine: why it waits, and what its disk or its model said. What changes anything,
reads the whole log or asks a peer is refused here, too, though no address leads to it.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import NoReturn

from node.errors import RequestRefused
from node.explain.diff_views import DiffView
from node.explain.port import Explainer
from node.explain.views import ExplanationView
from node.explain.worker_views import WorkerDetailView
from node.feed import News
from node.log_port import TakenView
from node.metering import Family, Meter
from node.news import Teller
from node.ports import Market, SubmitRequest
from node.services import Services
from node.views import LeaderboardView, PeerView, StatusView
from node.views_events import EventView, NodeEvent

NOT_READY = "something it does not tell strangers"
READ_ONLY = "its disk"


def for_strangers(services: Services) -> Services:
    """Return the same node as strangers see it."""
    return Services(
        market=_Market(services.market),
        reporter=_Teller(services.reporter),
        explainer=_Explainer(services.explainer),
        differ=_Closed(),
        meter=_Meter(services.meter),
        prover=services.prover,
        archive=_Closed(),
        history=services.history,
    )


class _Market:
    """Implements `node.ports.Market`."""

    def __init__(self, inner: Market) -> None:
        self._inner = inner
        self.find_task = inner.find_task
        self.tasks = inner.tasks
        self.leaderboard = inner.leaderboard
        self.network = inner.network

    async def submit(self, request: SubmitRequest) -> str:
        _refuse()

    async def cancel(self, task_id: str) -> None:
        _refuse()

    async def leaderboard_of(self, peer: str) -> LeaderboardView:
        _refuse()

    def peers(self, *, limit: int) -> tuple[PeerView, ...]:
        return tuple(replace(peer, address="") for peer in self._inner.peers(limit=limit))

    def status(self) -> StatusView:
        told = self._inner.status()
        return replace(
            told,
            addresses=(),
            waiting=told.waiting and NOT_READY,
            read_only=told.read_only and READ_ONLY,
            model=told.model.partition(":")[0],
        )


class _Teller:
    """Implements `node.news.Teller`."""

    def __init__(self, inner: Teller) -> None:
        self._inner = inner
        self.feed = inner.feed

    def view(self, news: News) -> EventView:
        told = self._inner.view(news)
        if not isinstance(told, NodeEvent):
            return told
        waiting, read_only = told.waiting and NOT_READY, told.read_only and READ_ONLY
        return replace(told, waiting=waiting, read_only=read_only)


class _Explainer:
    """Implements `node.explain.port.Explainer`."""

    def __init__(self, inner: Explainer) -> None:
        self._inner = inner
        self.points_history = inner.points_history

    async def explain(self, what: str) -> ExplanationView:
        told = await self._inner.explain(what)
        if told.worker is None:
            return told
        return replace(told, worker=replace(told.worker, worker=_blanked(told.worker.worker)))

    def worker(self, who: str) -> WorkerDetailView:
        return _blanked(self._inner.worker(who))


class _Meter:
    """Implements `node.metering.Meter`: counts what is refused, tells nothing."""

    def __init__(self, inner: Meter) -> None:
        self._inner = inner

    async def families(self) -> list[Family]:
        _refuse()

    def note_refusal(self, code: str) -> None:
        self._inner.note_refusal(f"public_{code}")


class _Closed:
    """Implements `Differ` and `Archive`: not for strangers."""

    async def diff(self, peer: str) -> DiffView:
        _refuse()

    def export(self) -> AsyncGenerator[bytes]:
        _refuse()

    async def take(self, body: bytes) -> TakenView:
        _refuse()


def _blanked(told: WorkerDetailView) -> WorkerDetailView:
    return replace(told, addresses=())


def _refuse() -> NoReturn:
    raise RequestRefused(403, "not_public", "this is not for strangers")
