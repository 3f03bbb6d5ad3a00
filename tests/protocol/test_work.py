"""Work for a record: who has done it can show it, and nobody else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import Malformed, NotAMember, TooLittleWork
from protocol.ids import sha256
from protocol.params import Network, NetworkParams, network_of
from protocol.record import may_write, open_record, seal, signed_bytes, unworked
from protocol.work import ID_BITS, Unworked, find_work, has_work
from tests.builders import NETWORK, a_record, a_task, key, signer

texts = st.lists(st.text(max_size=40), min_size=1, max_size=4)


def dear(bits: int) -> Network:
    return network_of(replace(NETWORK.params, record_work_bits=bits))


@given(texts=texts, bits=st.integers(1, 6), created_ms=st.integers(0, 2**53 - 1))
@settings(deadline=None, max_examples=50)
def test_seal__takes_the_number_that_was_found_for_the_record(
    texts: list[str], bits: int, created_ms: int
) -> None:
    network, me = dear(bits), signer("an")
    said = [a_task(text, nonce=number) for number, text in enumerate(texts)]
    record = unworked(said, author=me.public_key, created_ms=created_ms, network=network)
    work = find_work(record, start=0, tries=100_000)

    sealed = seal(said, signer=me, created_ms=created_ms, network=network, work=work)
    again = seal(said, signer=me, created_ms=created_ms, network=network)

    assert sealed == again == open_record(sealed.raw, network)
    assert has_work(sealed.record_id, bits)
    assert sealed.work == work
    assert len(signed_bytes(sealed.raw)) > record.size


@settings(deadline=None)
@given(bits=st.integers(1, 8), work=st.integers(0, 2**53 - 1))
def test_open_record__takes_a_record_exactly_if_its_work_was_done(bits: int, work: int) -> None:
    network = dear(bits)
    free = seal([a_task()], signer=signer("an"), created_ms=1, network=network, work=None)
    record = unworked([a_task()], author=key("an"), created_ms=1, network=network)
    is_done = find_work(record, start=work, tries=1) == work

    if is_done or work == free.work:
        seal([a_task()], signer=signer("an"), created_ms=1, network=network, work=work)
    else:
        with pytest.raises(TooLittleWork, match=f"need {bits} zero bits"):
            seal([a_task()], signer=signer("an"), created_ms=1, network=network, work=work)


@settings(deadline=None)
@given(
    before=st.binary(max_size=64),
    after=st.binary(max_size=64),
    bits=st.integers(0, 8),
    tries=st.integers(1, 64),
)
def test_find_work__finds_the_least_number_however_it_is_divided(
    before: bytes, after: bytes, bits: int, tries: int
) -> None:
    record = Unworked(before, after, bits)

    at_once = find_work(record, start=0, tries=4_096)
    in_lots = next(
        found
        for at in range(0, 2**16, tries)
        if (found := find_work(record, start=at, tries=tries)) is not None
    )

    assert at_once in (None, in_lots)
    if at_once:
        assert find_work(record, start=0, tries=at_once) is None


def test_record__needs_its_own_work_and_no_other() -> None:
    network = dear(10)
    worked = a_record("an", a_task(), network=network)

    with pytest.raises(TooLittleWork):
        seal([a_task()], signer=signer("bo"), created_ms=1, network=network, work=worked.work)
    with pytest.raises(Malformed, match="need 0 where none is asked"):
        seal([a_task()], signer=signer("an"), created_ms=1, network=NETWORK, work=3)


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 255, 256])
def test_has_work__counts_leading_zero_bits(bits: int) -> None:
    assert has_work((2 ** (ID_BITS - bits) - 1).to_bytes(32), bits)
    if bits:
        assert not has_work((2 ** (ID_BITS - bits)).to_bytes(32), bits)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.sampled_from("abcdefgh"))
def test_may_write__is_to_be_a_member_if_there_are_any(members: list[str], who: str) -> None:
    club = network_of(NetworkParams(members=tuple(sorted(map(key, members)))))

    assert may_write(key(who), club) == (not members or who in members)
    if may_write(key(who), club):
        assert a_record(who, a_task(), network=club).author == key(who)
    else:
        with pytest.raises(NotAMember, match=key(who).hex()):
            a_record(who, a_task(), network=club)


def test_signed_bytes__are_what_was_worked_on() -> None:
    network = dear(4)
    sealed = a_record("an", a_task(), network=network)
    record = unworked([a_task()], author=key("an"), created_ms=sealed.created_ms, network=network)

    assert signed_bytes(sealed.raw).startswith(record.before)
    assert signed_bytes(sealed.raw).endswith(record.after)
    assert sha256(signed_bytes(sealed.raw)) == sealed.record_id
