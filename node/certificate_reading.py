"""Reads certificates of strangers: each field against its form, and nothing beside them.

A file that is written in any other way than `node.certificate_file` would is refused as well, where
it could mean two things: names twice, numbers that are not whole, text that is hex in capitals.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from consensus.certificate import (
    ATTEMPTS_MAX,
    RECORDS_MAX,
    Attempt,
    Certificate,
    Claim,
    Juror,
    Opened,
)
from consensus.verdict import State
from node.certificate_file import FILE_BYTES_MAX, INT_NAMES, text_of
from node.certificate_views import FORMAT
from node.errors import UsageError
from protocol.errors import ProtocolError
from protocol.ids import Commitment, NetworkId, PublicKey, TaskId
from protocol.params import PPM, UINT_END, Network, NetworkParams

SHOWN_MAX = 40  # characters of a value that is wrong
INT_DIGITS_MAX = 16  # those of the largest number that is exact everywhere, 2**53 - 1
MEMBERS_MAX = 10_000  # a guess: a list of members is written by hand
JURORS_MAX = 256  # more than any jury that fits a record of the public network
WORK_BITS_MAX = 256  # an id has no more
NAMES_MAX = 64  # of one object; the largest has 14
# Lists, objects and commas, wherever they stand: some 60 MB and 0.3 s of whoever reads. The largest
# honest one of the public network has a fifth, even if its answers are nothing but commas.
PARTS_MAX = 1_000_000

T = TypeVar("T")


class Unreadable(UsageError):
    """The file is not a certificate, or not of this format."""


def read_certificate(raw: bytes) -> Certificate:
    """Read a certificate; nothing of what it claims is checked.

    A byte order mark before it, as some editors write one, is passed over.

    Raises:
        Unreadable: What is wrong and where, in one line.
    """
    if len(raw) > FILE_BYTES_MAX:
        raise Unreadable(f"the file: more than {FILE_BYTES_MAX} bytes")
    parts = sum(map(raw.count, (b"[", b"{", b",")))
    if parts > PARTS_MAX:
        raise Unreadable(f"the file: {parts} lists, objects and commas, at most {PARTS_MAX}")
    try:
        document = json.loads(
            raw.decode().removeprefix("\ufeff"),
            object_pairs_hook=_object,
            parse_int=_int,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except UnicodeDecodeError as error:
        raise Unreadable(f"the file: byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise Unreadable("the file: nested too deeply") from error
    except ValueError as error:
        raise Unreadable(f"the file: not JSON ({error})") from error
    return _certificate(_At("", document))


class _At:
    """A value of the document and where it stands."""

    __slots__ = ("path", "value")

    def __init__(self, path: str, value: object) -> None:
        self.path = path
        self.value = value

    def refuse(self, need: str) -> NoReturn:
        """Say what is wrong with this value."""
        is_large = isinstance(self.value, list | dict)
        shown = _outline(self.value) if is_large else repr(self.value)
        shown = shown if len(shown) <= SHOWN_MAX else shown[: SHOWN_MAX - 3] + "..."
        raise Unreadable(f"{self.path or 'the file'}: {shown}, need {need}")

    def fields(self, names: Sequence[str]) -> "dict[str, _At]":
        """Return the fields of an object that has these and no others."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        before = f"{self.path}." if self.path else ""
        for name in names:
            if name not in self.value:
                raise Unreadable(f"{before}{name}: missing")
        for name in self.value:
            if name not in names:
                raise Unreadable(f"{before}{name[:SHOWN_MAX]}: not a field of a certificate")
        return {name: _At(before + name, self.value[name]) for name in names}

    def items(self, read: "Callable[[_At], T]", most: int) -> tuple[T, ...]:
        """Read every item of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list")
        if len(self.value) > most:
            raise Unreadable(f"{self.path}: {len(self.value)} items, at most {most}")
        return tuple([read(_At(f"{self.path}[{n}]", one)) for n, one in enumerate(self.value)])

    def optional(self, read: "Callable[[_At], T]") -> T | None:
        """Read what may be null."""
        return None if self.value is None else read(self)

    def number(self, most: int = UINT_END - 1) -> int:
        """Read a whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.refuse("a whole number")
        if not 0 <= self.value <= most:
            self.refuse(f"0 to {most}")
        return self.value

    def flag(self) -> bool:
        """Read true or false."""
        if not isinstance(self.value, bool):
            self.refuse("true or false")
        return self.value

    def text(self) -> str:
        """Read text."""
        if not isinstance(self.value, str):
            self.refuse("text")
        try:
            self.value.encode()
        except UnicodeEncodeError:
            self.refuse("text without lone surrogates")
        return self.value

    def blob(self, size: int | None = None) -> bytes:
        """Read bytes in hex, as this project writes them."""
        text = self.text()
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if raw.hex() != text or size not in (None, len(raw)):
            self.refuse("hex digits in small letters" if size is None else f"{2 * size} hex digits")
        return raw

    def answer(self) -> bytes:
        """Read an answer: text, or bytes that are not."""
        if isinstance(self.value, str):
            return self.text().encode()
        at = self.fields(("hex",))["hex"]
        raw = at.blob()
        if isinstance(text_of(raw), str):
            at.refuse("text where the bytes are text")
        return raw

    def state(self) -> State:
        """Read a state by its name."""
        named = {state.name.lower(): state for state in State}
        if not isinstance(self.value, str) or self.value not in named:
            self.refuse("open, seated, final, split or void")
        return named[self.value]


def _outline(value: object) -> str:
    """Show a list or an object without all that is in it: to write that out may take a second."""
    left, right = "[]" if isinstance(value, list) else "{}"
    return f"{left}{'...' if value else ''}{right}"


def _certificate(at: _At) -> Certificate:
    if isinstance(at.value, dict) and at.value.get("format") != FORMAT:
        _At("format", at.value.get("format")).refuse(f"{FORMAT!r}")
    of = at.fields(("format", "network", "task_id", "claim", "records"))
    return Certificate(
        network=_network(of["network"]),
        task_id=TaskId(of["task_id"].blob(32)),
        claim=_claim(of["claim"]),
        records=of["records"].items(_At.blob, RECORDS_MAX),
    )


def _network(at: _At) -> Network:
    of = at.fields(("id", "genesis", "name", *INT_NAMES, "members"))
    numbers: dict[str, Any] = {name: of[name].number() for name in INT_NAMES}
    of["record_work_bits"].number(WORK_BITS_MAX)
    members = of["members"].items(lambda one: PublicKey(one.blob(32)), MEMBERS_MAX)
    genesis, name = of["genesis"].blob(16), of["name"].text()
    try:
        params = NetworkParams(genesis=genesis, name=name, members=members, **numbers)
    except ProtocolError as error:
        raise Unreadable(f"network: {error}") from error
    return Network(params, NetworkId(of["id"].blob(16)))


def _claim(at: _At) -> Claim:
    of = at.fields(("submitter", "state", "answer", "decided_by", "attempts"))
    return Claim(
        submitter=PublicKey(of["submitter"].blob(32)),
        state=of["state"].state(),
        answer=of["answer"].optional(_At.answer),
        decided_by=TaskId(of["decided_by"].blob(32)),
        attempts=of["attempts"].items(_attempt, ATTEMPTS_MAX),
    )


def _attempt(at: _At) -> Attempt:
    of = at.fields(("task_id", "attempt", "seats", "state", "answer", "jurors"))
    return Attempt(
        task_id=TaskId(of["task_id"].blob(32)),
        attempt=of["attempt"].number(),
        seats=of["seats"].number(),
        state=of["state"].state(),
        answer=of["answer"].optional(_At.answer),
        jurors=of["jurors"].items(_juror, JURORS_MAX),
    )


def _juror(at: _At) -> Juror:
    of = at.fields(("key", "commitment", "committed", "opened"))
    return Juror(
        key=PublicKey(of["key"].blob(32)),
        commitment=Commitment(of["commitment"].blob(32)),
        committed=of["committed"].flag(),
        opened=of["opened"].optional(_opened),
    )


def _opened(at: _At) -> Opened:
    of = at.fields(("error", "value", "confidence_ppm", "margin_ppm"))
    return Opened(
        error=of["error"].flag(),
        value=of["value"].answer(),
        confidence_ppm=of["confidence_ppm"].number(PPM),
        margin_ppm=of["margin_ppm"].number(PPM),
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > NAMES_MAX:
        raise Unreadable(f"the file: an object of {len(pairs)} names, at most {NAMES_MAX}")
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Unreadable(f"the file: the name {name[:SHOWN_MAX]!r} twice in one object")
        found[name] = value
    return found


def _int(digits: str) -> int:
    if len(digits) > INT_DIGITS_MAX:
        raise Unreadable(f"the file: the number {digits[:SHOWN_MAX]}, at most {UINT_END - 1}")
    return int(digits)


def _refuse_number(text: str) -> NoReturn:
    raise Unreadable(f"the file: {text[:SHOWN_MAX]}, need a whole number")
