"""Classifiers of random weights: what is loaded, what is refused, what they answer."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import pipeline

from node.errors import StartError
from node.inference.registry import load_task_type
from node.inference.task_type import BAD_INPUT, Runner, TaskType
from node.inference.text_classification import TEXT_CLASSIFICATION
from node.inference.token_classification import TOKEN_CLASSIFICATION
from node.inference.zero_shot_classification import ZERO_SHOT_CLASSIFICATION
from protocol.statements import Answer, AnswerKind, Result
from tests.node.inference_builders import a_running_service
from tests.node.tiny_models import MOODS, NLI, PLACES, a_text_classifier, a_token_classifier

TEXTS = (
    "Anna met Bob in Paris.",
    "good",
    "\N{GRINNING FACE} Anna, é in xyz PARIS!",
    "anna in paris " * 40,
    "Bob's example is bad, bob in sport",
)


def a_question(text: str, *labels: str) -> bytes:
    typed = json.dumps({"text": text, "labels": labels})
    return ZERO_SHOT_CLASSIFICATION.encode(typed, input_bytes_max=16_384)


def values(runner: Runner, inputs: Sequence[bytes]) -> list[bytes]:
    return [result.answer.value for result in runner.run(inputs)]


def test_text_classification__answers_the_label_as_the_model_spells_it(tmp_path: Path) -> None:
    model_dir = a_text_classifier(tmp_path)
    weights = load_file(model_dir / "model.safetensors")
    weights["classifier.bias"] = torch.tensor([0.0, 99.0, 0.0])
    save_file(weights, model_dir / "model.safetensors", metadata={"format": "pt"})

    results = TEXT_CLASSIFICATION.open(model_dir).run([text.encode() for text in TEXTS])

    assert {result.answer.value.decode() for result in results} == {MOODS[1]}
    assert all(result.margin_ppm > 999_000 for result in results)


def test_token_classification__finds_what_the_pipeline_of_transformers_finds(
    tmp_path: Path,
) -> None:
    model_dir = a_token_classifier(tmp_path)
    theirs = pipeline("token-classification", model=str(model_dir), aggregation_strategy="simple")

    ours = values(TOKEN_CLASSIFICATION.open(model_dir), [text.encode() for text in TEXTS])

    for text, packed in zip(TEXTS, ours, strict=True):
        found = [[one["start"], one["end"], one["entity_group"]] for one in theirs(_cut(text))]
        assert json.loads(packed) == found
        assert found
    assert len(TEXTS[3].split()) > PLACES


def _cut(text: str) -> str:
    """Leave the words the tiny model reads; the pipeline does not cut by itself."""
    return " ".join(text.split()[: PLACES - 2])


def test_token_classification__says_when_too_much_was_found(tmp_path: Path) -> None:
    labels = ("O", "B-" + "NAME" * 20)
    model_dir = a_token_classifier(tmp_path, labels)
    weights = load_file(model_dir / "model.safetensors")
    weights["classifier.bias"] = torch.tensor([0.0, 99.0])
    save_file(weights, model_dir / "model.safetensors", metadata={"format": "pt"})

    few, many = TOKEN_CLASSIFICATION.open(model_dir).run([b"anna met bob", b"anna met bob " * 9])

    assert len(json.loads(few.answer.value)) == 3
    assert many.answer == Answer(AnswerKind.ERROR, b"answer-too-long")
    assert many.margin_ppm > 999_000


def test_token_classification__finds_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    runner = TOKEN_CLASSIFICATION.open(a_token_classifier(tmp_path))
    space = "\N{EM SPACE}".encode()  # text, but no piece of it is left

    alone, (among, _) = runner.run([space]), runner.run([space, b"anna"])

    assert alone == [among] == [Result(Answer(AnswerKind.VALUE, b"[]"), 1_000_000, 1_000_000)]


def test_zero_shot_classification__answers_as_each_label_scores_alone(tmp_path: Path) -> None:
    model_dir = a_text_classifier(tmp_path, NLI)
    runner = ZERO_SHOT_CLASSIFICATION.open(model_dir)
    nli = pipeline("text-classification", model=str(model_dir), top_k=None)
    labels = ("bad", "good", "sport")

    for text in TEXTS[:3]:
        scores = {}
        for label in labels:
            said = nli(
                {"text": text, "text_pair": f"This example is {label}."}, function_to_apply="none"
            )
            scores[label] = next(one["score"] for one in said if one["label"] == "Entailment")
        best = max(labels, key=lambda label: scores[label])
        assert values(runner, [a_question(text, *labels)]) == [best.encode()]


def test_zero_shot_classification__takes_the_first_of_equals(tmp_path: Path) -> None:
    runner = ZERO_SHOT_CLASSIFICATION.open(a_text_classifier(tmp_path, NLI))
    unknown = ("\N{GRINNING FACE}", "\N{SNOWMAN}")  # one and the same unknown piece to the model

    result, bad = runner.run([a_question("anna", *unknown), b"anna"])

    assert result.answer.value.decode() == "\N{SNOWMAN}"
    assert result.margin_ppm == 0
    assert bad == BAD_INPUT


REFUSED: dict[str, tuple[TaskType, Callable[[Path], Path], str]] = {
    "one label": (
        TEXT_CLASSIFICATION,
        lambda path: a_text_classifier(path, ["score"]),
        "at least 2 labels; this one has 1",
    ),
    "regression": (
        TEXT_CLASSIFICATION,
        lambda path: a_text_classifier(path, problem_type="regression"),
        "problem_type is regression",
    ),
    "many labels at once": (
        TEXT_CLASSIFICATION,
        lambda path: a_text_classifier(path, problem_type="multi_label_classification"),
        "problem_type is multi_label_classification",
    ),
    "labels of pieces for texts": (
        TEXT_CLASSIFICATION,
        a_token_classifier,
        "not a whole sequence classifier",
    ),
    "labels of texts for pieces": (
        TOKEN_CLASSIFICATION,
        a_text_classifier,
        "not a token classifier; it is BertForSequenceClassification",
    ),
    "no entailment": (
        ZERO_SHOT_CLASSIFICATION,
        a_text_classifier,
        "need one label entailment; its labels are Bad, GOOD ✓, so-so",
    ),
    "two entailments": (
        ZERO_SHOT_CLASSIFICATION,
        lambda path: a_text_classifier(path, ["ENTAILMENT", "entailment"]),
        "need one label entailment",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_open__refuses_in_one_line(case: str, tmp_path: Path) -> None:
    task_type, make, words = REFUSED[case]

    with pytest.raises(StartError, match=words) as caught:
        task_type.open(make(tmp_path))

    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


async def test_worker__runs_a_model_of_its_own_for_each_type(tmp_path: Path) -> None:
    found = [
        load_task_type(name, f"node.inference.{module}:{module.upper()}")
        for name, module in (
            ("text-classification", "text_classification"),
            ("token-classification", "token_classification"),
            ("zero-shot-classification", "zero_shot_classification"),
        )
    ]
    model_dirs = {
        "text-classification": a_text_classifier(tmp_path / "text"),
        "token-classification": a_token_classifier(tmp_path / "token"),
        "zero-shot-classification": a_text_classifier(tmp_path / "nli", NLI),
    }
    question = '{"text": "Anna met Bob", "labels": ["sport", "good"]}'

    async with a_running_service(*found, model_dirs=model_dirs) as node:
        digests = {one.model_digest for one in node.service.capabilities()}
        label = await node.ask("text-classification", "Anna met Bob")
        entities = await node.ask("token-classification", "Anna met Bob")
        chosen = await node.ask("zero-shot-classification", question)

    assert len(digests) == 3
    assert label.answer.value.decode() in MOODS
    assert all(0 <= start < end <= 12 for start, end, _ in json.loads(entities.answer.value))
    assert chosen.answer.value in (b"sport", b"good")
