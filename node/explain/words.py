"""Explanations in words; whatever a stranger wrote is made fit for a terminal first."""

from collections.abc import Iterable, Mapping, Sequence

from consensus.contributions import SCORED_SEATS_MIN, Mark
from consensus.grounds import Grounds, JurorGrounds, Reason, Rule
from consensus.reputation import Z2_PPM
from consensus.reputation_steps import PairStep, ReputationSteps
from consensus.rows import Rows
from node.commands_text import PEER_ID_SHOWN, shortened
from node.core.steps import Step
from node.names import worker_view
from node.show import answer_text
from protocol.ids import PublicKey
from protocol.params import PPM
from protocol.statements import Answer, AnswerKind

ALIAS_SHOWN = 24
ANSWER_SHOWN = 40
CAPABILITY_SHOWN = 40
PAIRS_TOLD_MAX = 5  # submitters named one by one in the arithmetic; all are in the fields

MARKS = {
    Mark.AGREED: "agreed",
    Mark.DISSENTED: "dissented",
    Mark.EXCUSED: "excused",
    Mark.ABSENT: "absent",
}


def name_of(rows: Rows, key: PublicKey) -> str:
    """Name somebody as listings do: by nickname and the end of the peer id."""
    view = worker_view(rows, key)
    return f"{shown_alias(view.worker_id)}~{view.peer_id[-PEER_ID_SHOWN:]}"


def shown_alias(alias: str) -> str:
    """Return a nickname as listings show it."""
    return shortened(alias, ALIAS_SHOWN)


def names_of(rows: Rows, keys: Iterable[PublicKey]) -> str:
    """Name several."""
    return ", ".join(name_of(rows, key) for key in keys)


def quoted(answer: Answer) -> str:
    """Show an answer in a sentence."""
    shown = f"`{shortened(answer_text(answer.value), ANSWER_SHOWN)}`"
    return f"error {shown}" if answer.kind is AnswerKind.ERROR else shown


def percent(ppm: int) -> str:
    """Show parts per million, rounded down to hundredths of a percent.

    >>> percent(19_999)
    '1.99 %'
    """
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02} %"


def verdict_words(grounds: Grounds, jury_records: Sequence[str]) -> tuple[str, ...]:
    """Say which rule decided a task, with its arithmetic.

    Args:
        grounds: What the verdict rests on.
        jury_records: The ids of the records that hold its juries, as they are shown.
    """
    seats, quorum = grounds.seats, grounds.quorum
    rule = f"seats {seats}, so the quorum is {seats} // 2 + 1 = {quorum}"
    match grounds.rule:
        case Rule.NO_JURY:
            return rule, "this log holds no jury of its submitter: open"
        case Rule.TWO_JURIES:
            told = f"its submitter signed two different juries ({', '.join(jury_records)}): void"
            return rule, told, _FAULT
        case Rule.JURY_SIZE:
            size = grounds.jury_sizes[0]
            told = f"its jury ({jury_records[0]}) has {_count(size, 'seat')}"
            return rule, f"{told}, and {quorum} to {seats} are allowed: void", _FAULT
        case _:
            return (rule, *_counted(grounds), *_unscored(grounds))


_FAULT = "the submitter is charged one fault, and what the task gave is taken back"


def _counted(grounds: Grounds) -> Iterable[str]:
    size, quorum, most = grounds.jury_sizes[0], grounds.quorum, grounds.most
    said = [f"{jurors} of {size} opened {quoted(answer)}" for answer, jurors in grounds.counts]
    yield ", ".join([*said, f"{grounds.unopened} of {size} are unopened"])
    if any(answer.kind is AnswerKind.ERROR for answer, _ in grounds.counts):
        yield "errors reach no quorum, however many agree"
    if grounds.rule is Rule.AGREEMENT:
        answer = quoted(Answer(AnswerKind.VALUE, grounds.answer))
        yield f"{most} >= {quorum}: final, the answer is {answer}"
    elif grounds.rule is Rule.OUT_OF_REACH:
        reach = f"at most {most} + {grounds.unopened} unopened = {most + grounds.unopened}"
        yield f"{reach} < {quorum}: no answer can reach the quorum any more: split"
    else:
        reach = f"{most} < {quorum}, but {most} + {grounds.unopened} unopened"
        yield f"{reach} = {most + grounds.unopened} >= {quorum}: still undecided: seated"


def _unscored(grounds: Grounds) -> Iterable[str]:
    if grounds.seats < SCORED_SEATS_MIN:
        yield f"a task of fewer than {SCORED_SEATS_MIN} seats marks nobody"


def tie_words(rows: Rows, grounds: Grounds, near_tie_ppm: int) -> str:
    """Say whether those who agree were nearly undecided; empty where nobody dissents."""
    if all(one.reason not in (Reason.DISSENTED, Reason.NEAR_TIE) for one in grounds.jurors):
        return ""
    margins = ", ".join(
        f"{name_of(rows, one.juror)} {percent(one.result.margin_ppm)}"
        for one in grounds.jurors
        if one.reason is Reason.AGREED and one.result is not None
    )
    near, needed = grounds.near_ties, grounds.near_ties_needed
    rule = f"near ties among those who agree (margins {margins}; below {percent(near_tie_ppm)})"
    then = ">= {}: whoever dissents is excused" if near >= needed else "< {}: nobody is excused"
    return f"{rule}: {near} {then.format(f'({grounds.quorum} + 1) // 2 = {needed}')}"


def juror_words(juror: JurorGrounds, grounds: Grounds) -> str:
    """Say why a juror has the mark it has, or none."""
    opened = "" if juror.result is None else f"opened {quoted(juror.result.answer)}"
    match juror.reason:
        case Reason.AGREED:
            return f"{opened}, as the quorum did"
        case Reason.DISSENTED:
            return f"{opened}, another answer"
        case Reason.NEAR_TIE:
            return f"{opened}, another answer; excused, for it was nearly a tie"
        case Reason.ABSENT:
            closed = "is final" if grounds.rule is Rule.AGREEMENT else "was tried again"
            return f"sealed an answer and did not open it, and the task {closed}"
        case Reason.NOT_YET_ABSENT:
            return "did not open yet; absent once the task is final or tried again"
        case Reason.NOT_SEALED:
            return "did not open, but no commit of its own is in this log: nothing is counted"
        case Reason.UNDECIDED:
            return f"{opened}; that counts once the task is final"
        case Reason.NO_WINNER:
            return f"{opened}; a split task marks nobody who opened"
        case Reason.TOO_FEW_SEATS:
            return f"{opened or 'did not open'}; fewer than {SCORED_SEATS_MIN} seats: no marks"


def step_words(rows: Rows, step: Step, capability: str) -> str:
    """Say one step with the names it is about."""
    shown = shortened(capability, CAPABILITY_SHOWN)
    names = {"{who}": names_of(rows, step.workers), "{what}": shown}
    return _filled(step.words, names)


def _filled(words: str, names: Mapping[str, str]) -> str:
    """Put names in their places; a name that looks like a place stays a name."""
    first, *rest = names
    others = {one: names[one] for one in rest}
    parts = words.split(first)
    if others:
        parts = [_filled(part, others) for part in parts]
    return names[first].join(parts)


def arithmetic_words(
    rows: Rows, pairs: Sequence[PairStep], steps: ReputationSteps
) -> tuple[str, ...]:
    """Write a reputation down line by line, with the integers of docs/spec/scores.md.

    Args:
        rows: The log.
        pairs: Its pairs in the order they are told.
        steps: How it comes about.
    """
    pairs = [step for step in pairs if step.runs]
    lines = [_pair_words(rows, step) for step in pairs[:PAIRS_TOLD_MAX]]
    if len(pairs) > PAIRS_TOLD_MAX:
        lines.append(f"and alike for {len(pairs) - PAIRS_TOLD_MAX} more submitters")
    agreeing, total = steps.agreeing_ppm, steps.total_ppm
    lines.append(f"A = {agreeing}, N = {total}")
    if not total:
        return (*lines, "reputation = 0, for N = 0")
    root = f"{Z2_PPM} * (A * (N - A) // N + {Z2_PPM} // 4)"
    bound = f"{PPM} * (A + {Z2_PPM} // 2 - S) // (N + {Z2_PPM})"
    lines.append(f"S = isqrt({root}) = {steps.spread_ppm}")
    lines.append(f"bound = {bound} = {steps.bound_ppm}")
    halved = f", halved for {_count(steps.faults, 'fault')}" if steps.faults else ""
    return (*lines, f"reputation = bound >> {steps.faults} = {steps.reputation_ppm} ppm{halved}")


def _pair_words(rows: Rows, step: PairStep) -> str:
    said = step.counters
    runs = f"n = {said.agreed} agreed + {said.dissented} dissented + {said.absent} absent"
    weight = f"H({step.runs}) = {step.weight_ppm}"
    agreeing = f"{step.weight_ppm} * {said.agreed} // {step.runs} = {step.agreeing_ppm}"
    name = name_of(rows, step.submitter)
    return f"for {name}: {runs} = {step.runs}, {weight}, of which {agreeing} agrees"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
