"""Finds the task types that are installed: ours, and those of plug-ins."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from node.errors import UsageError
from node.inference.task_type import BATCH_INPUTS_MAX, TaskType

GROUP = "aimarket.task_types"
NAME_BYTES_MAX = 64

logger = logging.getLogger(__name__)


class BrokenTaskType(Exception):
    """A plug-in did not give a task type; the operator is told, and does without."""


@dataclass(frozen=True, slots=True)
class FoundTaskType:
    """A task type, and where another process finds it.

    Attributes:
        reference: Module and attribute, as in `node.inference.echo:ECHO`.
        task_type: The task type itself.
    """

    reference: str
    task_type: TaskType


def load_task_type(name: str, reference: str) -> FoundTaskType:
    """Import one task type.

    Raises:
        BrokenTaskType: The import failed, or what it gave is not the task type of that name.
    """
    try:
        loaded = EntryPoint(name=name, value=reference, group=GROUP).load()
        said: object = loaded.name
        numbers = (loaded.max_length, loaded.batch_inputs_max)
        rest = (loaded.needs_model, loaded.encode, loaded.open)
    # A plug-in is a foreign library: whatever it raises must not bring the node down.
    except Exception as error:
        raise BrokenTaskType(f"task type {name} ({reference}): {error!r}") from error
    if said != name or not 1 <= len(name.encode()) <= NAME_BYTES_MAX:
        raise BrokenTaskType(f"task type {name} ({reference}): calls itself {said!r}")
    if type(rest[0]) is not bool or not all(type(number) is int for number in numbers):
        raise BrokenTaskType(f"task type {name} ({reference}): an attribute has the wrong type")
    if numbers[0] < 0 or not 1 <= numbers[1] <= BATCH_INPUTS_MAX:
        limits = f"max_length of 0 or more, batch_inputs_max of 1 to {BATCH_INPUTS_MAX}"
        raise BrokenTaskType(f"task type {name} ({reference}): has {numbers}, needs {limits}")
    return FoundTaskType(reference, loaded)


def find_task_types(points: Iterable[EntryPoint] | None = None) -> dict[str, FoundTaskType]:
    """Return every task type that can be imported, by name, ascending.

    A broken one is reported in the log and left out.

    Args:
        points: Where to look instead of at what is installed.
    """
    found: dict[str, FoundTaskType] = {}
    chosen = entry_points(group=GROUP) if points is None else points
    for point in sorted(chosen, key=lambda one: (one.name, one.value)):
        if point.name in found:
            logger.warning("task type %s is offered twice; %s is left out", point.name, point.value)
            continue
        try:
            found[point.name] = load_task_type(point.name, point.value)
        except BrokenTaskType as error:
            logger.warning("left out: %s", error)
    return found


def choose_task_types(
    names: Sequence[str], installed: dict[str, FoundTaskType]
) -> tuple[FoundTaskType, ...]:
    """Return the task types an operator asked for, in ascending order of name.

    Raises:
        UsageError: One is not installed.
    """
    for name in names:
        if name not in installed:
            known = ", ".join(installed) or "none"
            raise UsageError(f"no task type {name}; installed: {known}")
    return tuple(installed[name] for name in sorted(set(names)))
