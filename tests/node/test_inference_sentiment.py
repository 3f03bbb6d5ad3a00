"""The embedded model, really loaded, in a real worker process."""

import json
import math
import shutil
from pathlib import Path

import pytest
import trio
from safetensors.torch import load_file, save_file

from node.errors import InferenceFailed, StartError
from node.inference.models import default_model_dir
from node.inference.sentiment import SENTIMENT
from node.inference.service import InferenceService
from node.inference.task_type import BAD_INPUT, Runner
from protocol.statements import AnswerKind, Result
from tests.node.inference_builders import LIMITS, a_running_service, sentiment

PLAIN = (
    ("This movie was great!", b"positive"),
    ("I absolutely love how this works!", b"positive"),
    ("This is the worst thing I have ever bought.", b"negative"),
)
TOLERANCE_PPM = 100  # measured: padding moves a score by less than one part per million


@pytest.fixture(scope="module")
def runner() -> Runner:
    return SENTIMENT.open(default_model_dir())


async def test_infer__tells_praise_from_blame_in_a_real_worker() -> None:
    async with a_running_service(
        sentiment(), model_dirs={"sentiment": default_model_dir()}
    ) as node:
        answers: dict[str, Result] = {}

        async def ask(text: str) -> None:
            answers[text] = await node.ask("sentiment", text)

        async with trio.open_nursery() as nursery:
            for text, _ in PLAIN:
                nursery.start_soon(ask, text)

        assert [answers[text].answer.value for text, _ in PLAIN] == [label for _, label in PLAIN]
        assert all(answers[text].confidence_ppm > 600_000 for text, _ in PLAIN)
        assert len(node.service.capabilities()[0].model_digest) == 32


def test_run__a_batch_answers_as_each_text_alone(runner: Runner) -> None:
    texts = [text.encode() for text, _ in PLAIN]
    texts += [b"good " * 400, "\N{GRINNING FACE} être".encode(), b"a", b"The plot is thin."]

    together = runner.run(texts)
    alone = [runner.run([text])[0] for text in texts]

    for one, other in zip(together, alone, strict=True):
        assert one.answer == other.answer
        assert abs(one.confidence_ppm - other.confidence_ppm) <= TOLERANCE_PPM
        assert abs(one.margin_ppm - (2 * one.confidence_ppm - 1_000_000)) <= 2


def test_run__refuses_what_is_no_text_in_its_place(runner: Runner) -> None:
    results = runner.run([b"", b"Lovely.", b"\xff\xfe", b" \n"])

    assert [results[0], results[2], results[3]] == [BAD_INPUT] * 3
    assert BAD_INPUT.answer.kind is AnswerKind.ERROR
    assert results[1].answer.value == b"positive"
    assert runner.run([]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("I don't like it.", "I do n't like it."), ("It's great", "it ’ s GREAT")],
)
def test_run__reads_one_meaning_in_several_spellings(runner: Runner, one: str, other: str) -> None:
    first, second = runner.run([one.encode(), other.encode()])

    assert first.answer == second.answer
    assert abs(first.confidence_ppm - second.confidence_ppm) <= TOLERANCE_PPM


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_model_dir(), tmp_path / "model"))


def test_open__passes_on_the_labels_of_any_classifier(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_bytes())
    config["id2label"] = {"0": "Schlecht", "1": "GUT ✓"}
    (copied / "config.json").write_text(json.dumps(config))

    results = SENTIMENT.open(copied).run([b"This movie was great!"])

    assert results[0].answer.value.decode() == "GUT ✓"


def test_run__fails_on_scores_that_are_no_numbers(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["classifier.bias"].fill_(math.nan)
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})

    broken = SENTIMENT.open(copied)

    with pytest.raises(InferenceFailed, match="no number"):
        broken.run([b"This movie was great!"])


def test_open__refuses_weights_that_lack_a_part(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(StartError, match=r"classifier\.weight"):
        SENTIMENT.open(copied)


async def test_run__refuses_an_unsafe_model_before_it_has_started(copied: Path) -> None:
    (copied / "pytorch_model.bin").touch()
    service = InferenceService(
        task_types=[sentiment()], model_dirs={"sentiment": copied}, limits=LIMITS
    )

    with pytest.RaisesGroup(pytest.RaisesExc(StartError, match="pickle")):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
