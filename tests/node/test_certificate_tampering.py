"""Whatever is changed in a certificate, it is refused, in words that name what."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from consensus.certificate_check import NotProven, check
from node.certificate_file import FILE_BYTES_MAX, pack_certificate
from node.certificate_reading import Unreadable, read_certificate
from protocol.ids import sha256
from protocol.params import NetworkParams, network_of
from protocol.record import Verified, signed_bytes
from protocol.statements import Commit, Jury, Reveal, Statement, Task
from tests.builders import (
    NOON_MS,
    a_commit,
    a_jury,
    a_presence,
    a_profile,
    a_record,
    a_task,
    key,
    retry_of,
)
from tests.certificates import (
    DAY,
    TASK,
    TASK_ID,
    a_certificate,
    late_reveal,
    of_every_state,
)

Document = dict[str, Any]
OTHER = network_of(NetworkParams(genesis=b"\x02" * 16, name="other"))


@cache
def packed(name: str) -> bytes:
    """Write the certificate of one of the tasks of `of_every_state`."""
    task_id, records = of_every_state()[name]
    return pack_certificate(a_certificate(records, task_id))


def document_of(name: str) -> Document:
    found: Document = json.loads(packed(name))
    return found


def with_record(document: Document, raw: bytes) -> None:
    """Put a record where it belongs."""
    records = [(_id_of(bytes.fromhex(text)), text) for text in document["records"]]
    document["records"] = [text for _, text in sorted([*records, (_id_of(raw), raw.hex())])]


def _id_of(raw: bytes) -> bytes:
    return sha256(signed_bytes(raw))


def without(document: Document, record: Verified) -> None:
    document["records"].remove(record.raw.hex())


def said(kind: type[Statement]) -> Verified:
    return next(record for record in DAY if isinstance(record.statements[0], kind))


def put(path: str, value: object) -> Callable[[Document], None]:
    """Return what writes a value at a path such as `claim.attempts.0.state`."""

    def change(document: Document) -> None:
        at: Any = document
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            at = at[step]
        assert at[last] != value, "nothing is changed"
        at[last] = value

    return change


def drop(kind: type[Statement]) -> Callable[[Document], None]:
    return lambda document: without(document, said(kind))


def add(record: Verified | bytes) -> Callable[[Document], None]:
    raw = record if isinstance(record, bytes) else record.raw
    return lambda document: with_record(document, raw)


def instead(kind: type[Statement], raw: bytes) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        without(document, said(kind))
        with_record(document, raw)

    return change


def seat_twice(document: Document) -> None:
    jurors = document["claim"]["attempts"][0]["jurors"]
    jurors.append(jurors[0])


def seats_swapped(document: Document) -> None:
    jurors = document["claim"]["attempts"][0]["jurors"]
    jurors[0], jurors[1] = jurors[1], jurors[0]


def seat_left_out(document: Document) -> None:
    del document["claim"]["attempts"][0]["jurors"][0]


def retry_forgotten(document: Document) -> None:
    del document["claim"]["attempts"][1]


def named_by_the_retry(document: Document) -> None:
    document["task_id"] = document["claim"]["attempts"][1]["task_id"]


def decided_by_the_first(document: Document) -> None:
    document["claim"]["decided_by"] = document["task_id"]


def turned_round(document: Document) -> None:
    document["records"].reverse()


def said_twice(document: Document) -> None:
    document["records"].insert(0, document["records"][0])


def all_left_out(document: Document) -> None:
    document["records"] = []


def last_byte_flipped(document: Document) -> None:
    text = document["records"][0]
    document["records"][0] = text[:-2] + f"{int(text[-2:], 16) ^ 1:02x}"


def cut_short(document: Document) -> None:
    document["records"][0] = document["records"][0][:-2]


def byte_added(document: Document) -> None:
    document["records"][0] += "00"


def other_network(document: Document) -> None:
    document["network"]["id"] = OTHER.network_id.hex()
    document["network"]["name"] = "other"
    document["network"]["genesis"] = OTHER.params.genesis.hex()


def seated_said_final(document: Document) -> None:
    for claim in (document["claim"], document["claim"]["attempts"][0]):
        claim["state"], claim["answer"] = "final", "positive"


COPIED = Commit(TASK_ID, a_commit("bo", TASK_ID, "positive").commitment)
FORGED = DAY[1].raw.replace(key("bo"), key("flo"))
REVEAL_OF_DI = next(r for r in DAY if isinstance(r.statements[0], Reveal) and r.author == key("di"))
THIRD_JURY = a_jury(TASK_ID, {"bo": "positive", "flo": "negative"})
DRY = a_record("an", TASK, network=OTHER)

TAMPERED: list[tuple[str, str, Callable[[Document], None], str]] = [
    ("another answer", "final", put("claim.answer", "negative"), "claim.answer: .* is claimed"),
    ("answer of an attempt", "final", put("claim.attempts.0.answer", "no"), "[0].answer: "),
    ("no answer", "final", put("claim.answer", None), "claim.answer: nothing is claimed"),
    ("a seated task said to be final", "seated", seated_said_final, "[0].state: final is claimed"),
    ("a final task said to be split", "final", put("claim.state", "split"), "claim.state: split"),
    ("an open task said to be void", "open", put("claim.state", "void"), "claim.state: void"),
    ("a void task said to be open", "void", put("claim.attempts.0.state", "open"), "two juries"),
    ("another word of a juror", "final", put("claim.attempts.0.jurors.0.opened.value", "no"),
     "opened.value: "),
    ("a surer juror", "final", put("claim.attempts.0.jurors.1.opened.confidence_ppm", 1),
     "_ppm: 1"),
    ("a clearer lead", "final", put("claim.attempts.0.jurors.1.opened.margin_ppm", 7), "_ppm: 7 "),
    ("an answer said to be an error", "final", put("claim.attempts.0.jurors.1.opened.error", True),
     "opened.error: true is claimed"),
    ("a silent juror", "final", put("claim.attempts.0.jurors.2.opened", None), "[2].opened: "),
    ("a juror that never sealed", "final", put("claim.attempts.0.jurors.2.committed", False),
     "[2].committed: false is claimed"),
    ("another juror", "final", put("claim.attempts.0.jurors.0.key", "11" * 32), "[0].key: "),
    ("another sealed answer", "final", put("claim.attempts.0.jurors.0.commitment", "11" * 32),
     "[0].commitment: "),
    ("a juror left out", "final", seat_left_out, "jurors: 2 is claimed, the records say 3"),
    ("a juror twice", "final", seat_twice, "jurors: 4 is claimed, the records say 3"),
    ("jurors in another order", "final", seats_swapped, "jurors[0].key: "),
    ("fewer seats", "final", put("claim.attempts.0.seats", 1), "[0].seats: 1 is claimed"),
    ("another attempt number", "final", put("claim.attempts.0.attempt", 3), "[0].attempt: 3"),
    ("another submitter", "final", put("claim.submitter", key("sue").hex()), "claim.submitter: "),
    ("another task", "final", put("task_id", "11" * 32), "task_id: no record submits"),
    ("the retry for the task", "retried", named_by_the_retry, "a chain that begins with"),
    ("a retry forgotten", "retried", retry_forgotten, "attempts: 1 is claimed, the records say 2"),
    ("decided by another attempt", "retried", decided_by_the_first, "claim.decided_by: "),
    ("the task left out", "final", drop(Task), "task_id: no record submits"),
    ("the jury left out", "final", drop(Jury), "no jury of the submitter is among them"),
    ("a commit left out", "final", drop(Commit), "no commit of that juror's own is among them"),
    ("a reveal left out", "final", drop(Reveal), "say seated: too few reveals among them"),
    ("the reveal of a dissenter left out", "final", lambda d: without(d, REVEAL_OF_DI),
     "no reveal among them opens the commitment"),
    ("all records left out", "final", all_left_out, "records: 0 of them, need 1 to "),
    ("a record twice", "final", said_twice, "records[1] .*: the same as the one before it"),
    ("records in another order", "final", turned_round, "records[1] .*: comes after "),
    ("a flipped bit", "final", last_byte_flipped, "records[0]: record .* signature does not ver"),
    ("a record cut short", "final", cut_short, "records[0]: "),
    ("a byte more", "final", byte_added, "records[0]: "),
    ("a forged author", "final", add(FORGED), "signature does not verify"),
    ("a second jury kept back and now added", "final", add(a_record("an", THIRD_JURY)),
     "state: final is claimed, the records say void: two juries"),
    ("a third jury", "void", add(a_record("an", THIRD_JURY)), "a jury that no log keeps|void"),
    ("a jury of somebody else", "final", add(a_record("sue", THIRD_JURY)), "says nothing that cou"),
    ("an opening with another salt", "final", instead(Reveal, late_reveal(bytes(32)).raw),
     "too few reveals among them.* says nothing that counts"),
    ("an opening somebody else copied", "final", add(a_record("cy", *REVEAL_OF_DI.statements)),
     "says nothing that counts (reveal)"),
    ("a commit somebody else copied", "final", add(a_record("flo", COPIED)), "(commit)"),
    ("the same said again", "final", add(a_record("an", TASK, created_ms=NOON_MS + 5)),
     "says only what others say (task)"),
    ("another task beside it", "final", add(a_record("an", a_task("else"))), "nothing that counts"),
    ("a profile beside it", "final", add(a_record("bo", a_profile())), "(profile)"),
    ("a presence", "final", add(a_record("bo", a_presence())), "a presence, which no log holds"),
    ("a retry kept back and now added", "final", add(a_record("an", retry_of("an", TASK))),
     "attempts: 1 is claimed, the records say 2"),
    ("a record of another network", "final", add(DRY), "records[.*network "),
    ("another network id", "final", put("network.id", "11" * 16), "network.id: 1111.* come to "),
    ("another rule of the network", "final", put("network.near_tie_ppm", 0), "network.id: "),
    ("another name of the network", "final", put("network.name", "aimarket"), "network.id: "),
    ("the rules of another network", "final", other_network, "records[0]: network "),
    ("more members", "final", put("network.members", [key("sue").hex()]), "network.id: "),
]  # fmt: skip


def tampered(name: str, change: Callable[[Document], None]) -> bytes:
    document = document_of(name)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("of", "change", "told"), [one[1:] for one in TAMPERED], ids=[one[0] for one in TAMPERED]
)
def test_check__refuses(of: str, change: Callable[[Document], None], told: str) -> None:
    check(read_certificate(packed(of)))

    with pytest.raises(NotProven) as refused:
        check(read_certificate(tampered(of, change)))

    pattern = ".*".join(map(re.escape, told.split(".*"))).replace(re.escape("|"), "|")
    assert re.search(pattern, str(refused.value)), str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_tampering__is_of_many_kinds() -> None:
    assert len({name for name, *_ in TAMPERED}) == len(TAMPERED) >= 20


def nested(depth: int) -> bytes:
    return b'{"format":' + b"[" * depth + b"]" * depth + b"}"


def changed(path: str, value: object) -> bytes:
    return tampered("final", put(path, value))


def cut(name: str) -> bytes:
    document = document_of("final")
    del document[name]
    return json.dumps(document).encode()


UNREADABLE: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "the file: not JSON"),
    ("half of it", packed("final")[:-100], "the file: not JSON"),
    ("no text", b"\xff\xfe", "byte 0 is not UTF-8"),
    ("too much", b" " * (FILE_BYTES_MAX + 1), "the file: more than"),
    ("a list", b"[]", "the file: [], need an object"),
    ("nesting", nested(200_000), "nested too deeply"),
    ("a number without end", b'{"format": ' + b"9" * 100_000 + b"}", "the number 9999"),
    ("not a number", b'{"format": NaN}', "NaN, need a whole number"),
    ("infinity", b'{"format": -Infinity}', "-Infinity, need a whole number"),
    ("a fraction", changed("network.near_tie_ppm", 1.5), "1.5, need a whole number"),
    ("a name twice", b'{"format": "x", "format": "y"}', "the name 'format' twice"),
    ("many names", json.dumps({str(n): n for n in range(99)}).encode(), "an object of 99 names"),
    ("another format", changed("format", "aimarket/certificate/2"), "format: 'aimarket/certificat"),
    ("a field left out", cut("claim"), "claim: missing"),
    ("a field more", json.dumps({**document_of("final"), "x": 1}).encode(), "x: not a field"),
    ("a number below zero", changed("network.seats_max", -1), "network.seats_max: -1, need 0 to"),
    ("true for a number", changed("network.seats_max", True), "seats_max: True, need a whole"),
    ("a number for true", changed("claim.attempts.0.jurors.0.committed", 0), "need true or false"),
    ("more work than an id has bits", changed("network.record_work_bits", 300), "need 0 to 256"),
    ("a short genesis", changed("network.genesis", "00"), "network.genesis: '00', need 32 hex"),
    ("a nameless network", changed("network.name", ""), "network: network name ''"),
    ("members in no order", changed("network.members", ["22" * 32, "11" * 32]), "ascending"),
    ("no hex", changed("task_id", "x" * 64), "task_id: 'xxxx"),
    ("hex in capitals", changed("task_id", "AB" * 32), "task_id: 'ABAB"),
    ("hex with blanks", changed("records.0", "00 00"), "records[0]: '00 00', need hex digits"),
    ("a number for a record", changed("records.0", 7), "records[0]: 7, need text"),
    ("an object for records", changed("records", {}), "records: {}, need a list"),
    ("too many records", changed("records", ["00"] * 9_999), "records: 9999 items, at most"),
    ("too many attempts", changed("claim.attempts", [0] * 64), "attempts: 64 items, at most 63"),
    ("an unknown state", changed("claim.state", "won"), "claim.state: 'won', need open, seated"),
    ("a list for a state", changed("claim.state", []), "claim.state: [], need open, seated"),
    ("half a character", changed("claim.answer", "\ud800"), "need text without lone surrogates"),
    ("text in hex", changed("claim.answer", {"hex": "61"}), "need text where the bytes are text"),
    ("a number for an answer", changed("claim.answer", 5), "claim.answer: 5, need an object"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "told"), [one[1:] for one in UNREADABLE], ids=[one[0] for one in UNREADABLE]
)
def test_read_certificate__refuses(raw: bytes, told: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_certificate(raw)

    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
