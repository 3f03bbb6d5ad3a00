"""Measures a sentiment model on a labelled file, exactly as a node's worker would run it.

The last line of the output is `accuracy 0.8xxx`; progress goes to the standard error.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from node.errors import OperatorError
from node.inference.model_digest import check_model_dir
from node.inference.models import default_model_dir
from node.inference.sentiment import SENTIMENT
from node.inference.task_type import BATCH_INPUTS_MAX
from protocol.statements import AnswerKind, Result

LABELS = {"0": b"negative", "1": b"positive"}
BINS = ((500_000, 600_000), (600_000, 700_000), (700_000, 800_000), (800_000, 900_000),
        (900_000, 1_000_001))  # fmt: skip
PROGRESS_EVERY = 10


def read_rows(path: Path) -> list[tuple[bytes, bytes]]:
    """Read `label<TAB>text` lines; labels are 0 and 1, or the words themselves."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            label, text = line.split("\t", 1)
            rows.append((LABELS.get(label, label.encode()), text.encode()))
    return rows


def run_all(model_dir: Path, inputs: Sequence[bytes]) -> list[Result]:
    """Run every input in batches as large as a node's."""
    check_model_dir(model_dir)
    runner = SENTIMENT.open(model_dir)
    results: list[Result] = []
    for number, start in enumerate(range(0, len(inputs), BATCH_INPUTS_MAX)):
        results.extend(runner.run(inputs[start : start + BATCH_INPUTS_MAX]))
        if number % PROGRESS_EVERY == 0:
            print(f"{len(results)} of {len(inputs)}", file=sys.stderr, flush=True)
    return results


def report(truth: Sequence[bytes], results: Sequence[Result]) -> None:
    """Print how often the stated confidence was right, then the accuracy."""
    right = [
        result.answer.kind is AnswerKind.VALUE and result.answer.value == label
        for label, result in zip(truth, results, strict=True)
    ]
    for low, high in BINS:
        chosen = [
            good
            for good, result in zip(right, results, strict=True)
            if low <= result.confidence_ppm < high
        ]
        if chosen:
            share = sum(chosen) / len(chosen)
            print(f"stated {low / 1e6:.1f} to {high / 1e6:.1f}: {share:.3f} right of {len(chosen)}")
    print(f"texts {len(right)}")
    print(f"accuracy {sum(right) / len(right):.4f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, run the model, print what it was right about."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="tab-separated lines: label, text")
    parser.add_argument("--model", type=Path, default=default_model_dir())
    options = parser.parse_args(arguments)
    try:
        rows = read_rows(options.file)
        results = run_all(options.model, [text for _, text in rows])
    except (OSError, ValueError, OperatorError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    report([label for label, _ in rows], results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
