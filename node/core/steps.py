"""What a task waits for or what will happen to it, as one step, and the words that steps share."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from protocol.ids import PublicKey

# What kind of thing a step is:
#   workers   too few nodes that can run it are here
#   sealing   some have not sealed an answer yet
#   stand_by  which others may start, and when
#   early     when the answer of one counts that sealed it before its turn
#   window    the commit window: when it ends, or that it is over
#   jury      its jury is signed next, or as soon as enough have sealed
#   opening   jurors have not opened what they sealed
#   retry     it was tried again, will be, or may be
#   given_up  nothing more is done for it
#   running   this node runs it, or will
#   wait      anything else that has to happen first
StepKind = Literal[
    "workers",
    "sealing",
    "stand_by",
    "early",
    "window",
    "jury",
    "opening",
    "retry",
    "given_up",
    "running",
    "wait",
]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a task waits for, or that will happen to it.

    Attributes:
        kind: Which of these it is.
        words: For people; `{who}` stands for the workers, `{what}` for the capability.
        workers: Whom it is about.
        in_ms: How long until then: 0 is now, None where nobody can know.
    """

    kind: StepKind
    words: str
    workers: tuple[PublicKey, ...] = ()
    in_ms: int | None = None


def without(workers: Iterable[PublicKey], those: Collection[PublicKey]) -> tuple[PublicKey, ...]:
    """Return workers in order, each once, but for some."""
    return tuple([one for one in dict.fromkeys(workers) if one not in those])


def ascending(workers: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """Return workers in the order of their keys."""
    return tuple(sorted(workers))


def live_words(count: int) -> str:
    """Say how many may serve."""
    if count == 0:
        return "no node that can run {what} is live, its submitter aside"
    some = "1 node that can run {what} is" if count == 1 else f"{count} that can run {{what}} are"
    return f"only {some} live, its submitter aside"


def count_words(others: int) -> str:
    """Say how many others are live."""
    return {0: "none is", 1: "1 is"}.get(others, f"{others} are")


def more_words(count: int) -> str:
    """Say how many answers lack."""
    return "1 more answer is" if count == 1 else f"{count} more answers are"
