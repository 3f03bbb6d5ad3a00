"""Finding task types, whole and broken."""

import logging
from importlib.metadata import EntryPoint

import pytest

from node.errors import UsageError
from node.inference.echo import ECHO
from node.inference.registry import GROUP, choose_task_types, find_task_types
from tests.node.inference_builders import ECHO_REFERENCE, MODULE


def point(name: str, reference: str) -> EntryPoint:
    return EntryPoint(name=name, value=reference, group=GROUP)


def test_find_task_types__finds_ours() -> None:
    found = find_task_types()

    assert {"echo", "sentiment"} <= set(found)
    assert found["echo"].task_type is ECHO
    assert found["echo"].reference == ECHO_REFERENCE


@pytest.mark.parametrize(
    "broken",
    [
        point("gone", "no.such.module:TYPE"),
        point("gone", "node.inference.echo:NOTHING"),
        point("other", ECHO_REFERENCE),
        point("logger", "node.inference.registry:logger"),
        point("tricky", f"{MODULE}:TOO_MANY_AT_ONCE"),
    ],
)
def test_find_task_types__reports_a_broken_one_and_goes_on(
    broken: EntryPoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = find_task_types([broken, point("echo", ECHO_REFERENCE)])

    assert list(found) == ["echo"]
    assert broken.name in caplog.text


def test_choose_task_types__orders_them_and_names_what_is_installed() -> None:
    installed = find_task_types()

    chosen = choose_task_types(["sentiment", "echo", "echo"], installed)

    assert [one.task_type.name for one in chosen] == ["echo", "sentiment"]
    with pytest.raises(UsageError, match="no task type telepathy; installed: echo, sentiment"):
        choose_task_types(["telepathy"], installed)
