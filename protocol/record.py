"""Signed bytes: statements of one author, sealed by us or opened from a stranger."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NewType

from protocol.canonical import Reader, pack, read_exactly
from protocol.errors import BadSignature, Malformed, NotAMember, TooLittleWork, WrongNetwork
from protocol.ids import NetworkId, PublicKey, RecordId, sha256
from protocol.keys import Signer, is_signed_by
from protocol.params import UINT_END, Network, NetworkParams
from protocol.schema import fields_of, read_statement
from protocol.statements import Jury, Presence, Statement
from protocol.work import Unworked, find_work, has_work

RECORD_DOMAIN = b"aimarket/record/1\0"
VERSION = 1
_FIELDS = 7
_HEAD_HEADER = bytes([0x90 | (_FIELDS - 1)])  # msgpack: an array of six
_TRIES = 1_024  # between two looks at whether the work is done
_SIGNATURE_PACKED_BYTES = 66  # msgpack: bin 8, a length, 64 bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One author's statements.

    Attributes:
        network_id: The network it was signed for.
        author: Who signed it.
        created_ms: The author's clock; orders listings, proves nothing.
        work: What makes the id begin with zero bits, 0 where none are asked.
        statements: 1 to `statements_max`; a Jury or a Presence stands alone.
        signature: 64 bytes; not part of the id.
        record_id: SHA-256 of the signed bytes.
        raw: The packed record, as it travels and is stored.
    """

    network_id: NetworkId
    author: PublicKey
    created_ms: int
    work: int
    statements: tuple[Statement, ...]
    signature: bytes
    record_id: RecordId
    raw: bytes

    @property
    def jury(self) -> Jury | None:
        """Return the jury, if that is what the record says."""
        first = self.statements[0]
        return first if isinstance(first, Jury) else None

    @property
    def presence(self) -> Presence | None:
        """Return the presence, if that is what the record says."""
        first = self.statements[0]
        return first if isinstance(first, Presence) else None


# A record whose signature has been checked. Nothing past the door takes any other.
Verified = NewType("Verified", Record)


def decode_record(raw: bytes, network: Network) -> Record:
    """Open a record as far as its bytes go; its signature is not checked yet.

    Splitting this from `verify` lets a stored record be recognised by its id for nothing.

    Raises:
        Malformed: Not one canonical record within the limits.
        WrongNetwork: Signed for another network.
        NotAMember: The network lists its members, and the author is not one.
        TooLittleWork: The id lacks the zero bits this network asks for.
    """
    params = network.params
    if len(raw) > params.record_bytes_max:
        raise Malformed(f"record: {len(raw)} bytes, at most {params.record_bytes_max}")
    record = read_exactly(raw, lambda reader: _read(reader, raw, params), _pack_whole)
    if record.network_id != network.network_id:
        raise WrongNetwork(f"network {record.network_id.hex()}, ours {network.network_id.hex()}")
    if not may_write(record.author, network):
        raise NotAMember(f"author {record.author.hex()} is not a member")
    if not has_work(record.record_id, params.record_work_bits):
        raise TooLittleWork(f"record id: need {params.record_work_bits} zero bits")
    return record


def may_write(author: PublicKey, network: Network) -> bool:
    """Answer whether a network takes records of an author."""
    members = network.params.members
    at = bisect_left(members, author)
    return not members or members[at : at + 1] == (author,)


def verify(record: Record) -> Verified:
    """Check the author's key and signature.

    Raises:
        BadSignature: By the one rule all nodes share (see `protocol.keys`).
    """
    if not is_signed_by(record.author, signed_bytes(record.raw), record.signature):
        raise BadSignature(f"record {record.record_id.hex()}: the signature does not verify")
    return Verified(record)


def open_record(raw: bytes, network: Network) -> Verified:
    """Open and verify a record in one go.

    Raises:
        ProtocolError: Whatever `decode_record` or `verify` found wrong.
    """
    return verify(decode_record(raw, network))


def seal(
    statements: Sequence[Statement],
    *,
    signer: Signer,
    created_ms: int,
    network: Network,
    work: int | None = None,
) -> Verified:
    """Sign statements as one record.

    Args:
        statements: What it says.
        signer: Who says it.
        created_ms: When, by its own clock.
        network: For which network.
        work: The number that `find_work` found for `unworked`; None to look for it here, which
            takes `2 ** record_work_bits` tries on average.

    Raises:
        Malformed: The statements would be refused by every node, ourselves included.
        NotAMember: The signer may not write in this network.
        TooLittleWork: The number is none that was found for this record.
    """
    author = signer.public_key
    if network.params.record_work_bits == 0:
        work = work or 0
    elif work is None:
        record = unworked(statements, author=author, created_ms=created_ms, network=network)
        found = (find_work(record, start=at, tries=_TRIES) for at in count(0, _TRIES))
        work = next(one for one in found if one is not None)
    said = [fields_of(statement) for statement in statements]
    head = [VERSION, network.network_id, author, created_ms, work, said]
    signed = RECORD_DOMAIN + pack(head)
    return Verified(decode_record(pack([*head, signer.sign(signed)]), network))


def unworked(
    statements: Sequence[Statement], *, author: PublicKey, created_ms: int, network: Network
) -> Unworked:
    """Return the signed bytes of a record around the number that is still to be found."""
    before = [VERSION, network.network_id, author, created_ms]
    return Unworked(
        RECORD_DOMAIN + _HEAD_HEADER + b"".join(map(pack, before)),
        pack([fields_of(statement) for statement in statements]),
        network.params.record_work_bits,
    )


def signed_bytes(raw: bytes) -> bytes:
    """Cut the bytes that the signature covers and the id hashes out of a packed record.

    They are the domain and the packed array of its first six elements.
    """
    return RECORD_DOMAIN + _HEAD_HEADER + raw[1:-_SIGNATURE_PACKED_BYTES]


def _head(record: Record) -> list[Any]:
    return [
        VERSION,
        record.network_id,
        record.author,
        record.created_ms,
        record.work,
        [fields_of(statement) for statement in record.statements],
    ]


def _pack_whole(record: Record) -> bytes:
    return pack([*_head(record), record.signature])


def _read(reader: Reader, raw: bytes, params: NetworkParams) -> Record:
    reader.array("record", _FIELDS, _FIELDS)
    if reader.uint("version", UINT_END - 1) != VERSION:
        raise Malformed(f"version: need {VERSION}")
    network_id = NetworkId(reader.blob("network_id", 16, 16))
    author = PublicKey(reader.blob("author", 32, 32))
    created_ms = reader.uint("created_ms", UINT_END - 1)
    work = reader.uint("work", UINT_END - 1)
    if params.record_work_bits == 0 and work != 0:
        raise Malformed(f"work: {work}, need 0 where none is asked")
    statements = tuple(
        read_statement(reader, params)
        for _ in range(reader.array("statements", 1, params.statements_max))
    )
    _check_company(author, statements)
    signature = reader.blob("signature", 64, 64)
    record_id = RecordId(sha256(signed_bytes(raw)))
    return Record(network_id, author, created_ms, work, statements, signature, record_id, raw)


def _check_company(author: PublicKey, statements: tuple[Statement, ...]) -> None:
    for statement in statements:
        if not isinstance(statement, Jury | Presence):
            continue
        if len(statements) != 1:
            raise Malformed("a jury or a presence must be the only statement of its record")
        if isinstance(statement, Jury) and any(seat.juror == author for seat in statement.seats):
            raise Malformed("jury: the author may not sit on it")


Verifier = Callable[[Record], Verified]  # the simulator brings its own
