"""What every task type of ours promises: node.inference.task_type."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.errors import RequestRefused
from node.inference.echo import ECHO
from node.inference.models import default_model_dir
from node.inference.registry import find_task_types
from node.inference.sentiment import SENTIMENT
from node.inference.task_type import BAD_INPUT, BATCH_INPUTS_MAX, Runner, TaskType
from node.inference.text_classification import TEXT_CLASSIFICATION
from node.inference.token_classification import TOKEN_CLASSIFICATION
from node.inference.zero_shot_classification import ZERO_SHOT_CLASSIFICATION
from protocol.params import NetworkParams
from protocol.statements import AnswerKind, Result
from tests.node.tiny_models import NLI, a_text_classifier, a_token_classifier

PARAMS = NetworkParams()
TOLERANCE_PPM = 100  # measured: padding moves a score by less than one part per million
TYPES = (ECHO, SENTIMENT, TEXT_CLASSIFICATION, TOKEN_CLASSIFICATION, ZERO_SHOT_CLASSIFICATION)
TEXTS = st.text(min_size=1, max_size=200).filter(str.strip)


@dataclass(frozen=True)
class Ready:
    """A task type that is loaded, and texts as its users type them."""

    task_type: TaskType
    runner: Runner

    def typed(self, text: str) -> str:
        if self.task_type.name == "zero-shot-classification":
            return json.dumps({"text": text, "labels": ["sport", "good", "bad in paris"]})
        return text

    def encode(self, text: str) -> bytes:
        return self.task_type.encode(self.typed(text), input_bytes_max=PARAMS.input_bytes_max)


@pytest.fixture(scope="module", params=TYPES, ids=lambda one: one.name)
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    task_type: TaskType = request.param
    return Ready(task_type, task_type.open(_model_for(task_type, tmp_path_factory.mktemp("m"))))


def _model_for(task_type: TaskType, model_dir: Path) -> Path | None:
    match task_type.name:
        case "sentiment":
            return default_model_dir()
        case "text-classification":
            return a_text_classifier(model_dir)
        case "token-classification":
            return a_token_classifier(model_dir)
        case "zero-shot-classification":
            return a_text_classifier(model_dir, NLI)
    return None


def fits_a_record(result: Result) -> bool:
    most = 64 if result.answer.kind is AnswerKind.ERROR else PARAMS.answer_bytes_max
    return (
        len(result.answer.value) <= most
        and 0 <= result.margin_ppm <= result.confidence_ppm <= 1_000_000
    )


def same_question_same_answer(one: Result, other: Result) -> bool:
    """Say whether two runs agree as far as nodes must: a near tie may fall either way."""
    moved = abs(one.margin_ppm - other.margin_ppm)
    near = min(one.margin_ppm, other.margin_ppm) <= TOLERANCE_PPM
    return near or (one.answer == other.answer and moved <= TOLERANCE_PPM)


def test_task_types__are_all_in_this_suite() -> None:
    ours = [one for one in find_task_types().values() if one.reference.startswith("node.")]

    assert {one.task_type.name for one in ours} == {one.name for one in TYPES}


def test_task_type__says_what_it_is(ready: Ready) -> None:
    task_type = ready.task_type

    assert 1 <= len(task_type.name.encode()) <= 64
    assert 1 <= task_type.batch_inputs_max <= BATCH_INPUTS_MAX
    assert task_type.needs_model == (task_type.max_length > 0)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_run__a_batch_answers_as_each_input_alone(ready: Ready, texts: Sequence[str]) -> None:
    inputs = [ready.encode(text) for text in texts]

    together = ready.runner.run(inputs)
    alone = [ready.runner.run([one])[0] for one in inputs]

    assert all(map(fits_a_record, together))
    assert all(one.answer != BAD_INPUT.answer for one in together)
    assert all(same_question_same_answer(*pair) for pair in zip(together, alone, strict=True))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strange=st.lists(st.binary(max_size=300), max_size=4), text=TEXTS)
def test_run__takes_any_bytes_and_keeps_the_order(
    ready: Ready, strange: list[bytes], text: str
) -> None:
    known = ready.encode(text)

    results = ready.runner.run([*strange, known, *strange])

    assert len(results) == 2 * len(strange) + 1
    assert all(map(fits_a_record, results))
    assert same_question_same_answer(results[len(strange)], ready.runner.run([known])[0])
    if ready.task_type.needs_model:
        for packed in (b"", b" \n\t", b"\xff\xfe", b"\xed\xa0\x80"):
            assert ready.runner.run([packed]) == [BAD_INPUT]


def test_run__is_the_same_the_second_time_and_the_longest_text_is_no_trouble(ready: Ready) -> None:
    room = PARAMS.input_bytes_max - len(ready.encode("x"))
    inputs = [ready.encode("good anna " * (room // 10)), ready.encode("x")]

    first, second = ready.runner.run(inputs), ready.runner.run(inputs)

    assert first == second
    assert all(map(fits_a_record, first))
    assert ready.runner.run([]) == []


@pytest.mark.parametrize("text", ["", " \n", "ä" * 8193, "\ud800"])
def test_encode__refuses_what_no_worker_would_answer(ready: Ready, text: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        ready.encode(text)

    assert caught.value.status == 400
    assert "\n" not in str(caught.value)
