"""The address that monitoring reads."""

import trio
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from node.metering import Meter
from node.rpc.exposition import Exposition


def add_metrics_routes(router: APIRouter, meter: Meter) -> None:
    """Add `GET /metrics`."""
    exposition = Exposition()
    turn = trio.Lock()

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={200: {"content": {"application/openmetrics-text": {}}}},
    )
    async def metrics(request: Request) -> Response:
        """Show every number of this node, for Prometheus."""
        accept = ",".join(request.headers.getlist("accept"))
        async with turn:
            families = await meter.families()
            # Some 5 ms of writing: in a thread, so that the event loop gets a turn meanwhile.
            content, content_type = await trio.to_thread.run_sync(
                exposition.render, families, accept
            )
        return Response(content, headers={"Content-Type": content_type})
