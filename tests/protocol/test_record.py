"""Records: what goes in comes out, and nothing else gets in."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import pack
from protocol.errors import BadSignature, Malformed, NotAMember, WrongNetwork
from protocol.gossip import message_id, pack_gossip, unpack_gossip
from protocol.ids import Commitment, Digest, PublicKey, TaskId, sha256
from protocol.params import NetworkParams, network_of
from protocol.record import decode_record, open_record, seal, signed_bytes
from protocol.schema import fields_of, sorted_capabilities
from protocol.sealing import task_id_of
from protocol.statements import (
    Answer,
    AnswerKind,
    Capability,
    Commit,
    Jury,
    Presence,
    Profile,
    Result,
    Reveal,
    Seat,
    Statement,
    Task,
)
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_presence,
    a_record,
    a_task,
    id_of,
    key,
    raw_record,
    signer,
)

uint = st.integers(0, 2**53 - 1)
ppm = st.integers(0, 1_000_000)
hash32 = st.binary(min_size=32, max_size=32)
task_ids = hash32.map(TaskId)
commitments = hash32.map(Commitment)
digest_or_empty = st.one_of(st.just(b""), hash32)


def text(least: int) -> st.SearchStrategy[str]:
    some = st.text(st.characters(codec="utf-8"), min_size=least, max_size=64)
    return some.filter(lambda words: len(words.encode()) <= 64)


capabilities = st.builds(Capability, text(1), digest_or_empty)
answers = st.one_of(
    st.builds(Answer, st.just(AnswerKind.VALUE), st.binary(max_size=1024)),
    st.builds(Answer, st.just(AnswerKind.ERROR), text(1).map(str.encode)),
)
shared: st.SearchStrategy[Statement] = st.one_of(
    st.builds(Profile, uint, text(0), text(0)),
    st.builds(Commit, task_ids, commitments),
    st.builds(Reveal, task_ids, st.builds(Result, answers, ppm, ppm), hash32),
    st.builds(
        Task,
        nonce=st.binary(min_size=16, max_size=16),
        task_type=text(1),
        model_digest=digest_or_empty,
        input=st.binary(max_size=2_000),
        seats=st.integers(0, 15).map(lambda half: 2 * half + 1),
        attempt=st.just(0),
        retry_of=st.just(b""),
    ).flatmap(
        lambda task: st.one_of(
            st.just(task),
            st.builds(replace, st.just(task), attempt=st.integers(1, 4), retry_of=hash32),
        )
    ),
)
juries = st.builds(
    lambda task_id, seats: Jury(task_id, tuple(sorted(Seat(*seat) for seat in seats.items()))),
    task_ids,
    st.dictionaries(hash32.map(PublicKey), commitments, min_size=1, max_size=31),
)
presences = st.builds(
    Presence,
    capabilities=st.lists(capabilities, max_size=64).map(sorted_capabilities),
    load=uint,
    ttl_ms=st.integers(0, 1_800_000),
    addresses=st.lists(text(1), max_size=16).map(tuple),
    horizon_ms=uint,
    count=uint,
    fingerprint=st.binary(min_size=16, max_size=16),
    state_digest=hash32.map(Digest),
)
companies: st.SearchStrategy[list[Any]] = st.one_of(
    st.lists(shared, min_size=1, max_size=8),
    st.tuples(juries).map(list),
    st.tuples(presences).map(list),
)


@settings(max_examples=1_000, deadline=None)
@given(companies, uint)
def test_record__round_trips(statements: list[Statement], created_ms: int) -> None:
    sealed = seal(statements, signer=signer("an"), created_ms=created_ms, network=NETWORK)

    opened = open_record(sealed.raw, NETWORK)

    assert opened == sealed
    assert opened.statements == tuple(statements)
    assert (opened.author, opened.created_ms, opened.work) == (key("an"), created_ms, 0)


@settings(max_examples=300, deadline=None)
@given(companies, st.data())
def test_record__with_any_byte_changed_is_refused(
    statements: list[Statement], data: st.DataObject
) -> None:
    raw = bytearray(seal(statements, signer=signer("an"), created_ms=1, network=NETWORK).raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises((Malformed, WrongNetwork, BadSignature)):
        open_record(bytes(raw), NETWORK)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_record__of_any_bytes_is_refused_without_surprise(raw: bytes) -> None:
    with pytest.raises(Malformed):
        open_record(raw, NETWORK)


def test_record_id__covers_all_but_the_signature() -> None:
    record = a_record("an", a_task())
    fields = [1, NETWORK.network_id, key("an"), NOON_MS, 0, [fields_of(a_task())]]

    assert signed_bytes(record.raw) == b"aimarket/record/1\0" + pack(fields)
    assert record.record_id == sha256(b"aimarket/record/1\0", pack(fields))
    assert record.raw == pack([*fields, record.signature])


def test_record_id__is_the_same_under_a_second_signature() -> None:
    record = a_record("an", a_task())
    other = decode_record(record.raw[:-64] + bytes(64), NETWORK)

    assert other.record_id == record.record_id
    with pytest.raises(BadSignature):
        open_record(other.raw, NETWORK)


def test_signature__under_another_domain_does_not_count() -> None:
    record = a_record("an", a_task())
    for domain in (b"", b"aimarket/record/2\0", b"aimarket/record/1", b"libp2p-pubsub:"):
        signed = domain + signed_bytes(record.raw)[len(b"aimarket/record/1\0") :]
        with pytest.raises(BadSignature):
            open_record(record.raw[:-64] + signer("an").sign(signed), NETWORK)


def test_record__of_another_network_is_refused() -> None:
    elsewhere = network_of(NetworkParams(genesis=b"\x02" * 16, name="test"))

    with pytest.raises(WrongNetwork):
        open_record(a_record("an", a_task(), network=elsewhere).raw, NETWORK)


def test_record__by_a_stranger_to_a_member_list_is_refused() -> None:
    members = tuple(sorted((key("an"), key("bo"))))
    club = network_of(replace(NETWORK.params, members=members))

    assert a_record("bo", a_task(), network=club).author == key("bo")
    with pytest.raises(NotAMember):
        open_record(raw_record("cy", fields_of(a_task()), network_id=club.network_id), club)


def test_task_id__binds_author_network_and_every_word() -> None:
    other_network = network_of(NetworkParams(genesis=b"\x02" * 16)).network_id
    ids = [
        id_of("an", a_task()),
        id_of("bo", a_task()),
        id_of("an", a_task(nonce=1)),
        id_of("an", a_task(seats=5)),
        id_of("an", a_task("other")),
        task_id_of(other_network, key("an"), a_task()),
    ]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "statements",
    [
        (),
        (a_task(seats=2),),
        (a_presence(), a_commit("bo", id_of("an", a_task()), "yes")),
        (a_jury(id_of("an", a_task()), {"an": "yes"}),),
    ],
)
def test_seal__refuses_what_every_node_would(statements: tuple[Statement, ...]) -> None:
    with pytest.raises(Malformed):
        seal(statements, signer=signer("an"), created_ms=1, network=NETWORK)


@given(st.lists(st.binary(min_size=1, max_size=900), min_size=1, max_size=64))
def test_gossip__round_trips(records: list[bytes]) -> None:
    packed = pack_gossip(records)

    assert unpack_gossip(packed) == records
    assert message_id("topic", packed) == sha256(b"topic\0", packed)


def test_network_id__changes_with_every_parameter() -> None:
    base = NetworkParams()
    changed = [
        replace(base, genesis=bytes(16)),
        replace(base, members=(key("an"),)),
        replace(base, name="other"),
        *(
            replace(base, **{name: getattr(base, name) + 1})
            for name in NetworkParams.__slots__
            if isinstance(getattr(base, name), int)
        ),
    ]
    ids = {network_of(params).network_id for params in (base, *changed)}

    assert len(ids) == 1 + len(NetworkParams.__slots__) == 14


def test_params__refuse_what_two_nodes_could_pack_differently() -> None:
    an, bo = sorted((key("an"), key("bo")))
    for wrong in (
        {"genesis": bytes(15)},
        {"name": ""},
        {"name": "a" * 65},
        {"members": (bo, an)},
        {"members": (an, an)},
    ):
        with pytest.raises(Malformed):
            NetworkParams(**wrong)
