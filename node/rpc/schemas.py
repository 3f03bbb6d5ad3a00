"""The shapes of what is asked of a node over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from node.ports import SubmitRequest
from node.rpc.waits import WAIT_SECONDS_MAX
from node.views import StandingView, WorkerView

TASKS_SHOWN = 50
BATCH_TASKS_MAX = 1_000  # some ten seconds of a node at full speed
EXACT_INT_MAX = 2**53  # beyond, JSON readers disagree; what a number may be the node says
TASKS_SHOWN_MAX = 100  # of one page; measured: some 20 ms of the node's loop
ROWS_SHOWN_MAX = 1_000  # of a leaderboard, or of peers; a guess: some 40 ms
NAME_CHARS_MAX = 512  # an address has up to 256 bytes, a nickname 64
CURSOR_CHARS_MAX = 64

StateName = Literal["open", "seated", "final", "split", "void"]


def _bare_is_yes(value: object) -> object:
    """Read `?mine` as `?mine=true`."""
    return True if value == "" else value


def _has_utf8(value: str) -> str:
    """Refuse half of a surrogate pair, which JSON can escape and no byte string can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("not valid Unicode") from None
    return value


Text = Annotated[str, AfterValidator(_has_utf8)]
Flag = Annotated[bool, BeforeValidator(_bare_is_yes)]
Limit = Annotated[int, Field(ge=1, le=TASKS_SHOWN_MAX)]
RowLimit = Annotated[int, Field(ge=1, le=ROWS_SHOWN_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
Cursor = Annotated[
    str,
    Field(
        max_length=CURSOR_CHARS_MAX,
        description="What the page before gave as `next`.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{53}[AQgw]$"},
    ),
]
# The node itself refuses what is none, with a message that shows it.
TaskIdText = Annotated[
    str,
    Field(
        description="A task id, or its first 8 digits or more.",
        json_schema_extra={"pattern": "^[0-9a-fA-F]{8,64}$"},
    ),
]
WaitSeconds = Annotated[int, Field(ge=0, le=WAIT_SECONDS_MAX)]


class SubmitBody(BaseModel):
    """The body of POST /tasks; what the values may be is for the node to say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Annotated[Text, Field(description="The input, as its task type takes it.")]
    type: Annotated[Text | None, Field(description="The task type; else the node's own.")] = None
    seats: Annotated[
        Annotated[int, Field(ge=-EXACT_INT_MAX, le=EXACT_INT_MAX)] | None,
        Field(description="How many jurors, an odd number; else the node's own."),
    ] = None
    model: Annotated[
        Text | None, Field(description="The digest of the model in hex; else the node's own.")
    ] = None
    request_id: Annotated[
        Text | None, Field(description="The same id is the same task: 1 to 128 characters.")
    ] = None


def request_of(body: SubmitBody) -> SubmitRequest:
    """Return what the node is asked for."""
    return SubmitRequest(
        text=body.text,
        task_type=body.type,
        seats=body.seats,
        model=body.model,
        request_id=body.request_id,
    )


class CancelBody(BaseModel):
    """The body of POST /tasks/{id}/cancel: nothing, or an empty object."""

    model_config = ConfigDict(extra="forbid")


def first_problem(problems: Sequence[Any]) -> str:
    """Say where a document is wrong; never repeat what stood there."""
    where = ".".join(str(part) for part in problems[0]["loc"])[:100]
    return f"{where}: {problems[0]['msg']}" if where else str(problems[0]["msg"])


class ErrorBody(BaseModel):
    """The body of every answer whose status is 400 or more."""

    code: Annotated[str, Field(description="One word for programs, such as `text_too_long`.")]
    message: Annotated[
        str, Field(description="One line for people: what was wrong, and the limit.")
    ]


class SubmittedBody(BaseModel):
    """The body of the answer to POST /tasks."""

    task_id: Annotated[str, Field(description="64 hex digits; from now on it is not lost.")]


class RefusedBody(BaseModel):
    """What became of an item of a batch that was refused."""

    error: ErrorBody


class BatchBody(BaseModel):
    """The body of the answer to POST /tasks/batch: what became of each item, in their order."""

    results: list[SubmittedBody | RefusedBody]


class HealthBody(BaseModel):
    """The body of the answer to GET /health."""

    ok: Literal[True]


class ReadyBody(BaseModel):
    """The body of the answer to GET /ready."""

    ready: Literal[True]


class PeersLeaderboardBody(BaseModel):
    """A leaderboard as a peer computes it."""

    leaderboard: list[StandingView]
    of: WorkerView
    state_digest: Annotated[str, Field(description="64 hex digits over all verdicts and scores.")]
    records: int
    same_as_ours: Annotated[bool, Field(description="Whether the digest equals ours now.")]


_MEANINGS = {
    400: "something in the request is not as it must be",
    401: "the token is missing or wrong",
    403: "the request comes from where it must not: a foreign Host, Origin or web page",
    404: "there is no such thing",
    405: "the address does not know this method",
    408: "the request body took too long",
    409: "it cannot be done as things are",
    413: "the request body is too large",
    415: "the request body is of another type",
    429: "too much waits; try again in a moment",
    500: "a fault of this node",
    502: "a peer gave no usable answer",
    503: "the node cannot do it now",
}
# The body is taken apart by hand; this is what OpenAPI is told of it. An item that is no task is
# taken as well, and refused on its own.
_ITEM = {"anyOf": [{"$ref": "#/components/schemas/SubmitBody"}, {}]}
_LIST = {"type": "array", "items": _ITEM, "maxItems": BATCH_TASKS_MAX}
BATCH_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": _LIST},
        "application/x-ndjson": {"schema": {"type": "string"}},
    },
}
AT_MS = "at_ms"  # every event has it besides what it is of; a gap, which never happened, has not
AT_MS_SCHEMA: dict[str, Any] = {
    "type": "integer",
    "title": "At Ms",
    "description": "When this node learnt of it, by its own clock: Unix milliseconds.",
}
_ANY_ROUTE = (401, 403, 500, 503)
_ANY_BODY = (400, 408, 413, 415)


def errors(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of one route for OpenAPI.

    Args:
        statuses: Those that only some routes answer.
        body: Whether the request has a body.
    """
    found = {*_ANY_ROUTE, *statuses, *(_ANY_BODY if body else ())}
    return {one: {"model": ErrorBody, "description": _MEANINGS[one]} for one in sorted(found)}
