"""What a node is to run, found before anything is opened: a mistyped name leaves nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.config import Config, ModelChoice
from node.errors import UsageError
from node.inference.models import EMBEDDED_FOR, find_model_dir, require_libraries
from node.inference.registry import FoundTaskType, choose_task_types, find_task_types


@dataclass(frozen=True, slots=True)
class Work:
    """The task types of a node.

    Attributes:
        task_types: In ascending order of name.
        model_dirs: A checked model for the name of each type that needs one.
    """

    task_types: tuple[FoundTaskType, ...]
    model_dirs: Mapping[str, Path]


def choose_work(config: Config) -> Work:
    """Find what an operator asked for; waits for the disk, and perhaps for the hub.

    Raises:
        UsageError: A task type is not installed, has no model and needs one, or the other way
            round.
        StartError: A model cannot be used.
    """
    if not config.task_types:  # nothing that runs models is even looked for
        return Work((), {})
    chosen = choose_task_types(config.task_types, find_task_types())
    references = choose_models(config.models, chosen)
    if references:
        require_libraries()
    downloads_dir = config.directory / "models"
    return Work(
        chosen,
        {
            name: find_model_dir(reference, downloads_dir=downloads_dir)
            for name, reference in references.items()
        },
    )


def choose_models(
    choices: Sequence[ModelChoice], task_types: Sequence[FoundTaskType]
) -> dict[str, str | None]:
    """Return which model each task type runs that needs one; None stands for the embedded model.

    Raises:
        UsageError: A type needs a model and has none, or a model is for no type that needs it.
    """
    names = [one.task_type.name for one in task_types if one.task_type.needs_model]
    given = {one.task_type: one.reference for one in choices}
    for name, reference in given.items():
        if name is not None and name not in names:
            raise UsageError(f"--model {name}={reference}: {_why_not(name, task_types)}")
    if None in given and all(name in given for name in names):
        nobody = "no task type of this node needs a model"
        why = "every task type that needs a model has one" if names else nobody
        raise UsageError(f"--model {given[None]}: {why}")
    for name in names:
        if name != EMBEDDED_FOR and not given.keys() & {name, None}:
            raise UsageError(f"the task type {name} needs a model: --model {name}=DIR|HUB_ID")
    return {name: given.get(name, given.get(None)) for name in names}


def _why_not(name: str, task_types: Sequence[FoundTaskType]) -> str:
    known = [one.task_type.name for one in task_types]
    if name in known:
        return f"the task type {name} needs no model"
    return f"no task type {name} runs on this node; these do: {', '.join(known)}"
