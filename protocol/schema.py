"""Statements to fields, fields to statements, with every limit checked on the way in."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from protocol.canonical import Reader, pack
from protocol.errors import Malformed
from protocol.ids import Commitment, Digest, PublicKey, TaskId
from protocol.params import (
    ADDRESS_BYTES_MAX,
    ADDRESSES_MAX,
    PPM,
    TEXT_BYTES_MAX,
    TTL_MS_MAX,
    UINT_END,
    NetworkParams,
)
from protocol.statements import (
    Answer,
    AnswerKind,
    Capability,
    Commit,
    Jury,
    Kind,
    Presence,
    Profile,
    Result,
    Reveal,
    Seat,
    Statement,
    Task,
)

_UINT_MAX = UINT_END - 1
_MOST_FIELDS = 9  # a Presence, its kind included
_RESULTS_REMEMBERED_MAX = 256  # at most 1 KiB each
_ANSWER_KINDS = (AnswerKind.VALUE, AnswerKind.ERROR)


def fields_of(statement: Statement) -> list[Any]:
    """Lay a statement out as `[kind, field, …]`, ready to be packed."""
    return _LAYOUTS[type(statement)](statement)


def result_fields(result: Result) -> list[Any]:
    """Lay a result out as `[answer, confidence_ppm, margin_ppm]`, the words a commitment seals."""
    answer = result.answer
    if answer.kind is AnswerKind.VALUE:
        return [[0, answer.value], result.confidence_ppm, result.margin_ppm]
    return [[1, answer.value.decode()], result.confidence_ppm, result.margin_ppm]


def read_statement(reader: Reader, params: NetworkParams) -> Statement:
    """Read one `[kind, field, …]` within the limits of the network.

    Raises:
        Malformed: An unknown kind, a wrong number of fields, or a field outside its limits.
    """
    count = reader.array("statement", 1, _MOST_FIELDS)
    kind = reader.uint("kind", _UINT_MAX)
    form = _FORMS.get(kind)
    if form is None:
        raise Malformed(f"kind: {kind} is unknown")
    fields, read = form
    if count != fields:
        raise Malformed(f"{Kind(kind).name.lower()}: {count} fields, need {fields}")
    return read(reader, params)


def read_result(reader: Reader, params: NetworkParams) -> Result:
    """Read `answer, confidence_ppm, margin_ppm`, three fields in a row."""
    reader.array("answer", 2, 2)
    kind = _ANSWER_KINDS[reader.uint("answer kind", 1)]
    if kind is AnswerKind.VALUE:
        value = reader.blob("answer", 0, params.answer_bytes_max)
    else:
        value = reader.text("error kind", 1, TEXT_BYTES_MAX).encode()
    confidence_ppm = reader.uint("confidence_ppm", PPM)
    return _result(kind, value, confidence_ppm, reader.uint("margin_ppm", PPM))


@lru_cache(maxsize=_RESULTS_REMEMBERED_MAX)
def _result(kind: AnswerKind, value: bytes, confidence_ppm: int, margin_ppm: int) -> Result:
    """Make a result, or find the one just made: jurors of one task tend to say the same."""
    return Result(Answer(kind, value), confidence_ppm, margin_ppm)


def _task_id(reader: Reader) -> TaskId:
    return TaskId(reader.blob32("task_id"))


def _digest_or_empty(reader: Reader, what: str) -> bytes:
    value = reader.blob(what, 0, 32)
    if len(value) not in (0, 32):
        raise Malformed(f"{what}: {len(value)} bytes, need 0 or 32")
    return value


def _read_commit(reader: Reader, params: NetworkParams) -> Commit:
    return Commit(_task_id(reader), Commitment(reader.blob32("commitment")))


def _read_reveal(reader: Reader, params: NetworkParams) -> Reveal:
    return Reveal(_task_id(reader), read_result(reader, params), reader.blob32("salt"))


def _read_profile(reader: Reader, params: NetworkParams) -> Profile:
    return Profile(
        reader.uint("sequence", _UINT_MAX),
        reader.text("alias", 0, params.alias_bytes_max),
        reader.text("agent", 0, TEXT_BYTES_MAX),
    )


def _read_task(reader: Reader, params: NetworkParams) -> Task:
    task = Task(
        nonce=reader.blob("nonce", 16, 16),
        task_type=reader.text("task_type", 1, TEXT_BYTES_MAX),
        model_digest=_digest_or_empty(reader, "model_digest"),
        input=reader.blob("input", 0, params.input_bytes_max),
        seats=reader.uint("seats", params.seats_max),
        attempt=reader.uint("attempt", params.attempts_max),
        retry_of=_digest_or_empty(reader, "retry_of"),
    )
    if task.seats % 2 == 0:
        raise Malformed(f"seats: {task.seats}, need an odd number")
    if (task.attempt == 0) != (task.retry_of == b""):
        raise Malformed("retry_of: need empty exactly when attempt is 0")
    return task


def _read_jury(reader: Reader, params: NetworkParams) -> Jury:
    task_id = _task_id(reader)
    seats: list[Seat] = []
    for _ in range(reader.array("seats", 1, params.seats_max)):
        reader.array("seat", 2, 2)
        juror = PublicKey(reader.blob32("juror"))
        if seats and juror <= seats[-1].juror:
            raise Malformed("seats: need strictly ascending jurors")
        seats.append(Seat(juror, Commitment(reader.blob32("commitment"))))
    return Jury(task_id, tuple(seats))


def _read_presence(reader: Reader, params: NetworkParams) -> Presence:
    capabilities: list[Capability] = []
    last = b""
    for _ in range(reader.array("capabilities", 0, params.capabilities_max)):
        reader.array("capability", 2, 2)
        task_type = reader.text("task_type", 1, TEXT_BYTES_MAX)
        model_digest = _digest_or_empty(reader, "model_digest")
        packed = pack([task_type, model_digest])
        if packed <= last:
            raise Malformed("capabilities: need strictly ascending packed pairs")
        last = packed
        capabilities.append(Capability(task_type, model_digest))
    return Presence(
        capabilities=tuple(capabilities),
        load=reader.uint("load", _UINT_MAX),
        ttl_ms=reader.uint("ttl_ms", TTL_MS_MAX),
        addresses=tuple(
            reader.text("address", 1, ADDRESS_BYTES_MAX)
            for _ in range(reader.array("addresses", 0, ADDRESSES_MAX))
        ),
        horizon_ms=reader.uint("horizon_ms", _UINT_MAX),
        count=reader.uint("count", _UINT_MAX),
        fingerprint=reader.blob("fingerprint", 16, 16),
        state_digest=Digest(reader.blob("state_digest", 32, 32)),
    )


def sorted_capabilities(capabilities: "list[Capability]") -> tuple[Capability, ...]:
    """Put capabilities in the one order a presence may list them in, without repetitions."""
    packed = {pack([c.task_type, c.model_digest]): c for c in capabilities}
    return tuple(packed[key] for key in sorted(packed))


# How many fields each kind has, itself included, and who reads the rest. A dictionary, because
# reading statements is the busiest code of a node.
_FORMS: dict[int, tuple[int, Callable[[Reader, NetworkParams], Statement]]] = {
    Kind.PROFILE: (4, _read_profile),
    Kind.TASK: (8, _read_task),
    Kind.COMMIT: (3, _read_commit),
    Kind.JURY: (3, _read_jury),
    Kind.REVEAL: (6, _read_reveal),
    Kind.PRESENCE: (9, _read_presence),
}

# How each kind is laid out again; every record that comes in is packed once to see that its
# encoding is the canonical one.
_LAYOUTS: dict[type, Callable[[Any], list[Any]]] = {
    Profile: lambda said: [1, said.sequence, said.alias, said.agent],
    Task: lambda task: [
        2,
        task.nonce,
        task.task_type,
        task.model_digest,
        task.input,
        task.seats,
        task.attempt,
        task.retry_of,
    ],
    Commit: lambda commit: [3, commit.task_id, commit.commitment],
    Jury: lambda jury: [4, jury.task_id, [[seat.juror, seat.commitment] for seat in jury.seats]],
    Reveal: lambda reveal: [5, reveal.task_id, *result_fields(reveal.result), reveal.salt],
    Presence: lambda here: [
        6,
        [[c.task_type, c.model_digest] for c in here.capabilities],
        here.load,
        here.ttl_ms,
        list(here.addresses),
        here.horizon_ms,
        here.count,
        here.fingerprint,
        here.state_digest,
    ],
}
