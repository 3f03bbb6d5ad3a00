"""What somebody means by what they pasted: a task, a record or a worker."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from string import hexdigits

from consensus import layout
from consensus.rows import Rows
from node.commands_text import PEER_ID_SHOWN, shortened
from node.errors import RequestRefused
from node.explain.words import name_of, shown_alias
from node.names import alias_of, key_of, peer_id_end, peer_id_of
from protocol.ids import PublicKey, short

WHAT_CHARS_MAX = 512  # an address has up to 256 bytes, a nickname 64
ID_DIGITS = 64
PREFIX_DIGITS_MIN = 8
CANDIDATES_TOLD_MAX = 5
# A nickname has no index. As many authors as a node keeps in mind, in some 40 ms; beyond them are
# those it hears of or scores, whatever strangers call themselves.
PROFILES_LOOKED_MAX = 4_096
SHOWN_MAX = 70  # characters of what could not be found


class Kind(Enum):
    """What can be explained."""

    TASK = "task"
    RECORD = "record"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing of that name: a task id, a record id or a key."""

    kind: Kind
    name: bytes


def find_one(what: str, rows: Rows, known: Collection[PublicKey], *, kinds: set[Kind]) -> Found:
    """Find the one thing that is meant.

    An id or the beginning of one goes before a nickname, so that nobody can hide a task by calling
    itself so.

    Args:
        what: As the user typed it.
        rows: The log.
        known: Authors heard of or scored, whether or not they have a profile.
        kinds: What it may be.

    Raises:
        RequestRefused: 400 if it is empty or too long, 404 if nothing fits, 409 if several do.
    """
    text = what.strip()
    if not 1 <= len(text) <= WHAT_CHARS_MAX:
        need = f"need 1 to {WHAT_CHARS_MAX}"
        raise RequestRefused(400, "bad_name", f"name: {len(text)} characters, {need}")
    _, _, end = text.rpartition("/p2p/")
    found = list(islice(_by_id(end, rows, known, kinds), CANDIDATES_TOLD_MAX + 1))
    if not found and Kind.WORKER in kinds:
        named = _by_name(text, rows, known)
        found = list(islice(named, CANDIDATES_TOLD_MAX + 1))
    if not found:
        raise RequestRefused(404, "unknown", f"{shortened(text, SHOWN_MAX)}: {_tried(end, kinds)}")
    if len(found) > 1:
        told = "; ".join(_candidate(one, rows) for one in found[:CANDIDATES_TOLD_MAX])
        more = "; and more" if len(found) > CANDIDATES_TOLD_MAX else ""
        several = f"{shortened(text, SHOWN_MAX)}: could be {told}{more}"
        raise RequestRefused(409, "ambiguous", several)
    return found[0]


def _by_id(
    text: str, rows: Rows, known: Collection[PublicKey], kinds: set[Kind]
) -> Iterator[Found]:
    key = key_of(text)
    if key is not None:
        if Kind.WORKER in kinds and (key in known or _has_profile(rows, key)):
            yield Found(Kind.WORKER, key)
        return
    if not PREFIX_DIGITS_MIN <= len(text) <= ID_DIGITS or any(one not in hexdigits for one in text):
        return
    digits = text.lower()
    if Kind.TASK in kinds:
        yield from _named(rows, layout.TASK, digits, Kind.TASK)
    if Kind.RECORD in kinds:
        yield from _named(rows, layout.RECORD, digits, Kind.RECORD)
    if Kind.WORKER in kinds:
        keys = {one.name for one in _named(rows, layout.PROFILE, digits, Kind.WORKER)}
        keys |= {one for one in known if one.hex().startswith(digits)}
        yield from (Found(Kind.WORKER, one) for one in sorted(keys))


def _named(rows: Rows, letter: bytes, digits: str, kind: Kind) -> Iterator[Found]:
    """Walk rows of one kind whose id begins so; no more than are told."""
    whole = bytes.fromhex(digits[: len(digits) // 2 * 2])
    keys = (key[1:] for key, _ in rows.scan(letter + whole))
    fitting = (key for key in keys if key.hex().startswith(digits))
    yield from (Found(kind, key) for key in islice(fitting, CANDIDATES_TOLD_MAX + 1))


def _by_name(text: str, rows: Rows, known: Collection[PublicKey]) -> Iterator[Found]:
    """Walk the workers called so, or shown so in a listing: `nickname~end` or `~end`."""
    aliases = {key: alias_of(rows, key) for key in sorted(known)}
    for row, value in islice(rows.scan(layout.PROFILE), PROFILES_LOOKED_MAX):
        key = PublicKey(row[1:])
        aliases.setdefault(key, layout.read_profile(value)[1].alias or short(key))
    head, _, end = text.rpartition("~")
    is_ended = peer_id_end(end) if "~" in text and len(end) == PEER_ID_SHOWN else None
    for key, alias in aliases.items():
        is_shown = is_ended is not None and head in ("", shown_alias(alias)) and is_ended(key)
        if text == alias or is_shown:
            yield Found(Kind.WORKER, key)


def _has_profile(rows: Rows, key: PublicKey) -> bool:
    return rows.get(layout.PROFILE + key) is not None


def _tried(text: str, kinds: set[Kind]) -> str:
    """Say what was looked for in vain."""
    if key_of(text) is not None:
        return "no worker with this peer id is known here"
    ids = [kind.value if kind is not Kind.WORKER else "key" for kind in Kind if kind in kinds]
    is_hex = all(one in hexdigits for one in text)
    if is_hex and PREFIX_DIGITS_MIN <= len(text) <= ID_DIGITS:
        return f"no {' or '.join(ids)} begins so, and no worker is called so"
    need = f"an id needs {PREFIX_DIGITS_MIN} to {ID_DIGITS} hex digits"
    return f"no worker is called so, and it is no peer id; {need}"


def _candidate(found: Found, rows: Rows) -> str:
    if found.kind is Kind.WORKER:
        key = PublicKey(found.name)
        return f"worker {name_of(rows, key)} ({peer_id_of(key)})"
    return f"{found.kind.value} {found.name.hex()}"
