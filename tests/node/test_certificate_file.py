"""A certificate is one file: the same bytes everywhere, and read back as it was."""

import codecs
from pathlib import Path

import pytest

from consensus.certificate_check import check
from node.certificate_file import pack_certificate, text_of
from node.certificate_reading import Unreadable, read_certificate
from node.certificate_views import NotTextView
from node.certificate_words import told_of
from tests.builders import a_market_day, a_task, id_of, retry_of
from tests.certificates import ANSWERS, a_certificate, a_chain, of_every_state

GOLDEN = Path(__file__).parents[1] / "vectors" / "certificate.json"


def test_pack_certificate__writes_the_golden_file() -> None:
    task_id, records = a_chain()

    assert pack_certificate(a_certificate(records, task_id)) == GOLDEN.read_bytes()


def test_check__accepts_the_golden_file() -> None:
    told = told_of(check(read_certificate(GOLDEN.read_bytes())))

    assert (told.state, told.answer, told.text) == ("final", "positive", "halved")
    assert told.decided_by == told.task_ids[1]


@pytest.mark.parametrize("name", sorted(of_every_state()))
def test_read_certificate__reads_back_what_was_written(name: str) -> None:
    task_id, records = of_every_state()[name]
    certificate = a_certificate(records, task_id)

    raw = pack_certificate(certificate)

    assert read_certificate(raw) == certificate
    assert pack_certificate(read_certificate(raw)) == raw


def test_read_certificate__passes_over_a_byte_order_mark() -> None:
    """As some editors write before a file of text."""
    raw = GOLDEN.read_bytes()

    assert read_certificate(codecs.BOM_UTF8 + raw) == read_certificate(raw)
    with pytest.raises(Unreadable, match="not JSON"):
        read_certificate(2 * codecs.BOM_UTF8 + raw)
    with pytest.raises(Unreadable, match="byte 3 is not UTF-8"):
        read_certificate(codecs.BOM_UTF8 + b"\xff")


def test_text_of__shows_bytes_that_are_no_text_in_hex() -> None:
    assert text_of(b"fine") == "fine"
    assert text_of(b"\xff") == NotTextView("ff")


@pytest.mark.parametrize(
    ("name", "proves", "does_not"),
    [
        ("open", "open: it was asked", "no more was shown"),
        ("seated", "a jury of 3 is signed, 0 of them opened", "no more was shown"),
        ("final", "2 of 3 jurors opened this answer", "final unless void"),
        ("split", "3 jurors opened, and no answer can", "no more was shown"),
        ("void", "the submitter signed two juries", "another retry may not be shown"),
        ("single", "1 of 1 jurors opened", "a single seat was asked for"),
        ("retried", "2 of 3 jurors opened", "final unless void"),
    ],
)
def test_told_of__says_what_is_proven_and_what_is_not(
    name: str, proves: str, does_not: str
) -> None:
    task_id, records = of_every_state()[name]

    told = told_of(check(a_certificate(records, task_id)))

    assert any(proves in line for line in told.proves)
    assert any(does_not in line for line in told.does_not_prove)
    assert any("anyone can make keys" in line for line in told.does_not_prove)
    assert any("points or reputation" in line for line in told.does_not_prove)
    assert told.final_unless_void is (told.state == "final")
    assert told.no_more_was_shown is (told.state in ("open", "seated", "split"))
    assert told.single_seat is (name == "single")
    assert not told.is_public_network
    assert any("private network 'test'" in line for line in told.proves)


def test_told_of__says_that_earlier_attempts_are_not_shown() -> None:
    task = a_task("halved")
    again = retry_of("an", task)

    told = told_of(check(a_certificate(a_market_day("an", again, ANSWERS), id_of("an", again))))

    assert told.task_id == id_of("an", again).hex()
    assert told.earlier_attempts_not_shown
    assert any("attempts before it" in line for line in told.does_not_prove)
