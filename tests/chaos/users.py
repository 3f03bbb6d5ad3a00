"""Users who know that nodes die: each call has its own connection, and silence is an answer."""

from node.errors import NotReachable, RequestRefused
from node.rpc.client import Client, TooLate
from node.rpc.endpoint import Endpoint
from node.rpc.token import FILE_NAME, read_rpc_file
from tests.loopback.nodes import RealNode, until

TAKEN_WITHIN_S = 60.0


def client_of(node: RealNode) -> Client:
    """Return a client of whatever process last served from a node's directory."""
    found = read_rpc_file(node.directory / FILE_NAME)
    return Client(Endpoint(found.url, found.token, node.name))


def ask_once(node: RealNode, request_id: str) -> str | None:
    """Submit a task named like its request; None if the node did not answer, or may not sign."""
    text = f"{node.name}: {request_id}"
    try:
        document = client_of(node).submit(text=text, request_id=request_id)
    except (NotReachable, TooLate, OSError):
        return None
    except RequestRefused as error:
        if error.status != 503:
            raise
        return None
    task_id: str = document["task_id"]
    return task_id


def ask_until_taken(node: RealNode, request_id: str, *, within_s: float = TAKEN_WITHIN_S) -> str:
    """Submit a task again and again with one request id until it is accepted."""
    return until(
        lambda: ask_once(node, request_id) or "",
        within_s=within_s,
        what=f"{node.name} takes {request_id!r}",
    )


def knows(node: RealNode, task_id: str) -> bool:
    """Answer whether a node answers, and has a task in its log."""
    try:
        client_of(node).task(task_id)
    except (NotReachable, TooLate, RequestRefused, OSError):
        return False
    return True
