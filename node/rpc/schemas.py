"""The shapes of what is asked of a node over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from node.rpc.waits import WAIT_SECONDS_MAX

TASKS_SHOWN = 50
EXACT_INT_MAX = 2**53  # beyond, JSON readers disagree; what a number may be the node says
TASKS_SHOWN_MAX = 1000  # a whole answer stays within what a person or a script can read

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
WaitSeconds = Annotated[int, Field(ge=0, le=WAIT_SECONDS_MAX)]


class SubmitBody(BaseModel):
    """The body of POST /tasks; what the values may be is for the node to say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text
    type: Text | None = None
    seats: Annotated[int, Field(ge=-EXACT_INT_MAX, le=EXACT_INT_MAX)] | None = None
    model: Text | None = None
    request_id: Text | None = None


class CancelBody(BaseModel):
    """The body of POST /tasks/{id}/cancel: nothing, or an empty object."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(BaseModel):
    """The body of every answer whose status is 400 or more."""

    code: Annotated[str, Field(description="One word for programs, such as `text_too_long`.")]
    message: Annotated[
        str, Field(description="One line for people: what was wrong, and the limit.")
    ]


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
