"""The addresses where a node gives what it says so that others can check it."""

from fastapi import APIRouter
from fastapi.responses import Response

from node.certificate_views import CertificateView
from node.proof_port import Prover
from node.rpc.schemas import TaskIdText, errors


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
