"""The addresses where a node gives what it says so that others can check it, and checks theirs."""

from dataclasses import asdict
from functools import partial
from typing import Any

import trio
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from consensus.certificate_check import NotProven, check
from node.certificate_reading import Unreadable, read_certificate
from node.certificate_views import CertificateView
from node.certificate_words import ProofView, told_of
from node.errors import RequestRefused
from node.proof_port import Prover
from node.rpc.schemas import TaskIdText, errors

# The stubs that libp2p brings along know an older trio.
_in_thread: Any = partial(trio.to_thread.run_sync, abandon_on_cancel=True)  # type: ignore[call-arg]
_CERTIFICATE = {
    "application/json": {"schema": {"$ref": f"#/components/schemas/{CertificateView.__name__}"}}
}


def add_proof_routes(router: APIRouter, prover: Prover) -> None:
    """Add the routes that prove."""

    @router.get(
        "/tasks/{task_id}/certificate",
        response_model=CertificateView,
        responses=errors(400, 404, 409),
    )
    async def certificate(task_id: TaskIdText) -> Response:
        """Give all that it takes to check what a task came to, without trusting this node."""
        raw = await prover.certificate(task_id)
        return Response(raw, media_type="application/json")

    @router.post(
        "/certificates/verify",
        response_model=ProofView,
        responses=errors(429, body=True),
        openapi_extra={"requestBody": {"required": True, "content": _CERTIFICATE}},
    )
    async def verify(request: Request) -> JSONResponse:
        """Check a certificate by its own records alone, as `aimarket verify` does.

        Whoever wrote it is not trusted, nor is the log of this node asked.
        """
        # The guard lets one in at a time. A node that stops waits for none.
        told: ProofView = await _in_thread(_proven, await request.body())
        return JSONResponse(asdict(told))


def _proven(raw: bytes) -> ProofView:
    """Check a certificate; takes a second for the largest.

    Raises:
        RequestRefused: It is none, or its records do not come to what it claims.
    """
    try:
        return told_of(check(read_certificate(raw)))
    except Unreadable as error:
        raise RequestRefused(400, "unreadable", str(error)) from error
    except NotProven as error:
        raise RequestRefused(400, "not_proven", str(error)) from error
