"""The shapes of what is asked of a node over HTTP."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

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

    code: str
    message: str
