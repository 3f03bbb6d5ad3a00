"""What a node is to run, found before anything is opened: a mistyped name leaves nothing."""

from dataclasses import dataclass
from pathlib import Path

from node.config import Config
from node.errors import UsageError
from node.inference.models import find_model_dir, require_libraries
from node.inference.registry import FoundTaskType, choose_task_types, find_task_types


@dataclass(frozen=True, slots=True)
class Work:
    """The task types of a node.

    Attributes:
        task_types: In ascending order of name.
        model_dir: A checked model; None if no type needs one.
    """

    task_types: tuple[FoundTaskType, ...]
    model_dir: Path | None


def choose_work(config: Config) -> Work:
    """Find what an operator asked for; waits for the disk, and perhaps for the hub.

    Raises:
        UsageError: A task type is not installed, or a model is given and none is needed.
        StartError: The model cannot be used.
    """
    chosen = choose_task_types(config.task_types, find_task_types())
    if any(one.task_type.needs_model for one in chosen):
        require_libraries()
        downloads_dir = config.directory / "models"
        return Work(chosen, find_model_dir(config.model, downloads_dir=downloads_dir))
    if config.model is not None:
        raise UsageError(f"--model {config.model}: no task type of this node needs a model")
    return Work(chosen, None)
