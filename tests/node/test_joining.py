"""The peer book as a node finds it when it starts."""

from pathlib import Path

import pytest

from bootstrap.book_file import encode_book
from bootstrap.peer_book import PeerBook
from node.joining import read_book
from tests.bootstrap.peer_names import address


def test_read_book__returns_what_was_written(tmp_path: Path) -> None:
    book = PeerBook()
    book.worked(address(1), 1)
    (tmp_path / "peers").write_bytes(encode_book(book))

    assert read_book(tmp_path / "peers").places() == book.places()
    assert read_book(tmp_path / "nothing").places() == ()


def test_read_book__starts_empty_where_the_file_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "peers").mkdir()

    book = read_book(tmp_path / "peers")

    assert book.places() == ()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "cannot be read, and the peer book starts empty" in record.message
    assert record.message.endswith("kept as peers.unreadable: Is a directory")
    assert (tmp_path / "peers.unreadable").is_dir()
    assert not (tmp_path / "peers").exists()
