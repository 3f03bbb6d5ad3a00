"""Which task type runs which model, as the command line says it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import ModelChoice, check_models
from node.errors import UsageError
from node.inference.registry import choose_task_types, find_task_types
from node.work import choose_models

NAMES = ("echo", "sentiment", "text-classification", "token-classification")
PATHS = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: "=" not in text)


def choose(types: Sequence[str], *values: str) -> dict[str, str | None]:
    return choose_models(check_models(values), choose_task_types(types, find_task_types()))


@pytest.mark.parametrize(
    ("types", "values", "chosen"),
    [
        (["echo"], [], {}),
        (["echo", "sentiment"], [], {"sentiment": None}),
        (["echo", "sentiment"], ["some/model"], {"sentiment": "some/model"}),
        (["sentiment"], ["sentiment=/a=b"], {"sentiment": "/a=b"}),
        (["sentiment"], ["./a=b"], {"sentiment": "./a=b"}),
        (["sentiment"], ["~/a=b"], {"sentiment": "~/a=b"}),
        (
            NAMES,
            ["token-classification=t", "all"],
            {"sentiment": "all", "text-classification": "all", "token-classification": "t"},
        ),
        (
            NAMES,
            ["token-classification=t", "text-classification=o/s"],
            {"sentiment": None, "text-classification": "o/s", "token-classification": "t"},
        ),
    ],
)
def test_choose_models__gives_each_type_its_own_or_the_one_for_all(
    types: Sequence[str], values: Sequence[str], chosen: dict[str, str | None]
) -> None:
    assert choose(types, *values) == chosen


@pytest.mark.parametrize(
    ("types", "values", "words"),
    [
        (["echo"], ["m"], "--model m: no task type of this node needs a model"),
        (["echo"], ["echo=m"], "--model echo=m: the task type echo needs no model"),
        (["echo", "sentiment"], ["nope=m"],
         "--model nope=m: no task type nope runs on this node; these do: echo, sentiment"),
        (["sentiment"], ["sentiment=a", "b"], "--model b: every task type that needs"),
        (["sentiment"], ["a", "b"], "--model: two for every other task type, a and b"),
        (["sentiment"], ["sentiment=a", "sentiment=b"], "--model: two for sentiment, a and b"),
        (["sentiment"], ["sentiment="], "--model 'sentiment=': write it as TYPE=DIR"),
        (["sentiment"], ["=a"], "--model '=a': write it as TYPE=DIR"),
        (["sentiment"], [""], "--model '': write it as TYPE=DIR"),
        (NAMES, ["text-classification=m"],
         "task type token-classification needs a model: --model token-classification=DIR"),
    ],
)  # fmt: skip
def test_choose_models__says_what_is_wrong_in_one_line(
    types: Sequence[str], values: Sequence[str], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        choose(types, *values)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@given(st.sampled_from(NAMES), PATHS)
def test_check_models__reads_back_what_was_written(name: str, path: str) -> None:
    assert check_models((f"{name}={path}", path)) == (
        ModelChoice(name, path),
        ModelChoice(None, path),
    )
