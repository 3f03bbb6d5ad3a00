"""The file a log is carried in: a line that says what it is, the records, and a sum over it all.

    header    one line of JSON: format, network, how many records, state digest
    records   each its length in 4 bytes, big-endian, then the packed record
    end       the length 0, then SHA-256 over every byte before the sum

A file that was cut or changed on its way is noticed; whether its records are right is for
`node.log_check`, or for the node that takes them in.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from consensus.log import find_record, record_count, record_ids, state_digest
from consensus.rows import Rows
from node.errors import StoreDamaged, UsageError
from protocol.errors import Malformed
from protocol.ids import Digest, NetworkId, PublicKey
from protocol.params import UINT_END, Network, NetworkParams, network_of

FORMAT = "aimarket/log/1"
START = json.dumps({"format": FORMAT}).encode()[:-1]  # how every such file begins
HEADER_BYTES_MAX = 1024 * 1024  # a member takes 70 of them; a guess: no list is that long
RECORD_BYTES_MAX = 1024 * 1024  # whatever a network allows; 32 KiB unless its makers chose
CHUNK_BYTES = 64 * 1024  # written at once
LENGTH_BYTES = 4
SUM_BYTES = 32
WORK_BITS_MAX = 256  # an id has no more
_END = bytes(LENGTH_BYTES)
_IN_HEX = ("genesis", "members")


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before its first record.

    Attributes:
        network: Whose records they are; the id is that of the parameters.
        records: How many follow.
        state_digest: What whoever wrote it made of them.
    """

    network: Network
    records: int
    state_digest: Digest


def is_log_file(beginning: bytes) -> bool:
    """Answer whether a file that begins so is meant to be one of these; 32 bytes are enough."""
    return beginning.startswith(START)


def log_chunks(rows: Rows, network: Network) -> Iterator[bytes]:
    """Walk the bytes of a whole log, in the order of the sync.

    Args:
        rows: Must not change meanwhile.
        network: Whose records they are.

    Raises:
        StoreDamaged: A record that is listed is missing.
    """
    total = hashlib.sha256()
    held = bytearray(pack_header(Header(network, record_count(rows), state_digest(rows))))
    for _, record_id in record_ids(rows):
        raw = find_record(rows, record_id)
        if raw is None:
            raise StoreDamaged(f"record {record_id.hex()} is listed, but is not in the log")
        held += frame(raw)
        if len(held) >= CHUNK_BYTES:
            total.update(held)
            yield bytes(held)
            held.clear()
    held += _END
    total.update(held)
    yield bytes(held) + total.digest()


def frame(raw: bytes) -> bytes:
    """Put the length of a record before it."""
    return len(raw).to_bytes(LENGTH_BYTES) + raw


def read_frames(data: bytes) -> Iterator[bytes]:
    """Walk the records of a body that holds nothing else.

    Raises:
        Malformed: It is cut, or holds a record without a byte or with too many.
    """
    at = 0
    while at < len(data):
        begin = at + LENGTH_BYTES
        size = _checked(int.from_bytes(data[at:begin]), f"the record at byte {at}")
        at = begin + size
        if at > len(data):
            raise Malformed(f"the record at byte {begin}: {at - len(data)} bytes short")
        yield data[begin:at]


class LogReader:
    """A file on its way in, record by record; holds one of them at a time."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read the header.

        Raises:
            UsageError: It is none.
        """
        self._stream = stream
        self._total = hashlib.sha256()
        line = stream.readline(HEADER_BYTES_MAX)
        self._total.update(line)
        self.header = read_header(line)

    def __iter__(self) -> Iterator[bytes]:
        """Walk the packed records; none of them is opened.

        Raises:
            UsageError: The file was cut or changed, or its header lied about the number.
        """
        number = 0
        while size := int.from_bytes(self._read(LENGTH_BYTES, number)):
            if number == self.header.records:
                raise UsageError(f"the file: more than the {number} records of its header")
            try:
                _checked(size, f"record {number}")
            except Malformed as error:
                raise UsageError(str(error)) from error
            yield self._read(size, number)
            number += 1
        total = self._total.digest()
        if self._read(SUM_BYTES, number) != total:
            raise UsageError("the file: was changed, its sum is not that of its bytes")
        if number != self.header.records:
            raise UsageError(f"the file: {number} records, its header says {self.header.records}")
        if self._stream.read(1):
            raise UsageError("the file: goes on after its end")

    def _read(self, size: int, number: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            of = f"of {self.header.records} records"
            raise UsageError(f"the file: was cut, it ends in the middle after {number} {of}")
        self._total.update(data)
        return data


def pack_header(header: Header) -> bytes:
    """Write the first line."""
    params = header.network.params
    fields: dict[str, Any] = {name: getattr(params, name) for name in NetworkParams.__slots__}
    fields["genesis"] = params.genesis.hex()
    fields["members"] = [key.hex() for key in params.members]
    document = {
        "format": FORMAT,
        "network": {"id": header.network.network_id.hex(), **fields},
        "records": header.records,
        "state_digest": header.state_digest.hex(),
    }
    return json.dumps(document).encode() + b"\n"


def read_header(line: bytes) -> Header:
    """Read the first line, which must be exactly what `pack_header` writes.

    Raises:
        UsageError: It is not, or its network is not named as its parameters say.
    """
    if not is_log_file(line):
        raise UsageError(f"the file: does not begin with {START.decode()}")
    if not line.endswith(b"\n"):
        what = "was cut" if len(line) < HEADER_BYTES_MAX else f"more than {HEADER_BYTES_MAX} bytes"
        raise UsageError(f"the first line: {what}")
    try:
        header = _header(json.loads(line))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, Malformed) as error:
        raise UsageError(f"the first line: not readable ({type(error).__name__})") from error
    if pack_header(header) != line:
        raise UsageError("the first line: not written as this program writes it")
    if network_of(header.network.params).network_id != header.network.network_id:
        named = header.network.network_id.hex()
        raise UsageError(f"the first line: these parameters are not those of network {named}")
    return header


def _header(document: Any) -> Header:
    fields = document["network"]
    numbers = {
        name: _whole(fields[name])
        for name in NetworkParams.__slots__
        if name not in ("genesis", "name", "members")
    }
    if numbers["record_work_bits"] > WORK_BITS_MAX:
        raise ValueError
    params = NetworkParams(
        genesis=bytes.fromhex(fields["genesis"]),
        name=fields["name"],
        members=tuple([PublicKey(bytes.fromhex(key)) for key in fields["members"]]),
        **numbers,
    )
    network = Network(params, NetworkId(bytes.fromhex(fields["id"])))
    digest = Digest(bytes.fromhex(document["state_digest"]))
    return Header(network, _whole(document["records"]), digest)


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < UINT_END:
        raise ValueError
    return value


def _checked(size: int, where: str) -> int:
    if not 1 <= size <= RECORD_BYTES_MAX:
        raise Malformed(f"{where}: {size} bytes, need 1 to {RECORD_BYTES_MAX}")
    return size
