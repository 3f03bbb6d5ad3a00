"""One flipped bit anywhere on the disk: found before it is used, or no more than a lost end.

The runs are as many as `tests.node.stores.RUNS`; the number of a run is its seed.
"""

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.book_file import VERSION, encode_book, open_book
from bootstrap.peer_book import PeerBook
from node.errors import StartError, StoreDamaged, UsageError
from node.repair import repair_store
from node.rpc.token import FILE_NAME, RpcFile, new_token, read_rpc_file, write_rpc_file
from node.store.directory import read_marker
from node.store.open import looking_at
from protocol.errors import MarketError
from tests.bootstrap.peer_names import address
from tests.builders import NETWORK, key
from tests.node.damage import HINT, NEVER, mended, met_by_a_node
from tests.node.stores import IS_LONG, OWNER, RUNS, a_store, files_in, flip, opened, verified

seeds = pytest.mark.parametrize("seed", range(RUNS))
BLOCK_BYTES = 32_768  # of a write-ahead log
HEAD_BYTES = 7  # checksum 4, length 2, type 1


def flip_any(path: Path, seed: int) -> None:
    dice = random.Random(f"{path.name[:3]} {seed}")
    flip(path, dice.randrange(path.stat().st_size * 8))


def only(path: Path, pattern: str) -> Path:
    (found,) = (path / "log").glob(pattern)
    return found


@seeds
def test_bit_rot__in_a_table__is_found_and_healed(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    flip_any(only(path, "*.ldb"), seed)

    met = met_by_a_node(path)

    # Some bits are of the filter, which LevelDB then does without, or of nothing at all.
    assert met in ("found", "refused", "whole")
    mended(path, met)


@seeds
def test_bit_rot__in_the_write_ahead_log__is_found_and_healed(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    flip_any(only(path, "*.log"), seed)

    mended(path, met_by_a_node(path))


@seeds
@pytest.mark.parametrize("name", ["MANIFEST-*", "CURRENT"])
def test_bit_rot__in_the_list_of_tables__is_found_and_healed(
    tmp_path: Path, name: str, seed: int
) -> None:
    path = a_store(tmp_path / OWNER)
    flip_any(only(path, name), seed)

    met = met_by_a_node(path)

    assert met in ("refused", "found")
    mended(path, met)


def test_bit_rot__in_the_last_heads_of_the_write_ahead_log__never_shows_wrong_rows(
    tmp_path: Path,
) -> None:
    whole = a_store(tmp_path / "whole")
    name = only(whole, "*.log").name
    bits = [8 * head + bit for head in last_heads(whole / "log" / name) for bit in range(56)]
    met: dict[str, int] = {}

    for bit in bits if IS_LONG else bits[::10]:
        path = a_store(tmp_path / str(bit))
        flip(path / "log" / name, bit)
        found = met_by_a_node(path)
        met[found] = met.get(found, 0) + 1
        if found == "older":
            mended(path, found)

    print(met)
    assert met["refused"] > sum(met.values()) // 2


def last_heads(path: Path) -> Iterator[int]:
    """Walk where the pieces in the last block of a write-ahead log begin."""
    data = path.read_bytes()
    at = len(data) // BLOCK_BYTES * BLOCK_BYTES
    while at + HEAD_BYTES <= len(data):
        yield at
        at += HEAD_BYTES + int.from_bytes(data[at + 4 : at + 6], "little")


@seeds
def test_bit_rot__in_the_journal__ends_all_signing(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    flip_any(path / "journal", seed)
    before = files_in(path)

    with pytest.raises(StoreDamaged, match=NEVER):
        opened(path)
    with (
        pytest.raises(StoreDamaged, match=NEVER),
        looking_at(path, network_id=NETWORK.network_id, nickname=OWNER),
    ):
        pass
    with pytest.raises(StoreDamaged, match=NEVER):
        repair_store(path, network=NETWORK, public_key=key(OWNER), nickname=OWNER)

    assert files_in(path) == before


@seeds
def test_bit_rot__in_the_marker__never_begins_a_new_store(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    journal = (path / "journal").read_bytes()
    written = read_marker(path)
    flip_any(path / "marker", seed)
    refused: MarketError | None = None

    try:
        opened(path).close()
    except (StoreDamaged, StartError) as error:
        refused = error

    if refused is None:  # the case of a letter, or white space
        assert read_marker(path) == written
    elif isinstance(refused, StoreDamaged):
        assert str(refused).endswith(HINT)
        repair_store(path, network=NETWORK, public_key=key(OWNER), nickname=OWNER)
        assert verified(path).is_ok
    else:
        assert "use a newer one" in str(refused)
    assert (path / "journal").read_bytes() == journal


@seeds
def test_bit_rot__in_the_token__lets_nobody_in_and_ends_with_a_start(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / FILE_NAME
    content = RpcFile("http://127.0.0.1:7461", new_token(), 4242, OWNER)
    write_rpc_file(path, content)
    flip_any(path, seed)

    found: RpcFile | None = None
    with contextlib.suppress(UsageError):
        found = read_rpc_file(path)
    assert found != content

    write_rpc_file(path, content)
    assert read_rpc_file(path) == content


@seeds
def test_bit_rot__in_the_peer_book__costs_one_place_or_all_but_never_a_start(seed: int) -> None:
    book = PeerBook()
    for number in range(20):
        book.worked(address(number), 1_000 + number)
    data = bytearray(encode_book(book))
    bit = random.Random(seed).randrange(len(data) * 8)
    data[bit // 8] ^= 1 << (bit % 8)

    found, _ = open_book(bytes(data))

    kept = set(found.places()) & set(book.places())
    assert len(kept) >= 19 or not found.places()
    assert json.loads(encode_book(found))["version"] == VERSION
