"""A signature says one thing: under another kind, network or prefix it is worth nothing."""

from collections.abc import Callable, Iterator
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import X25519PublicKey
from libp2p.peer.envelope import Envelope, make_unsigned, seal_record
from libp2p.peer.id import ID
from libp2p.peer.peer_record import (
    PEER_RECORD_ENVELOPE_DOMAIN,
    PEER_RECORD_ENVELOPE_PAYLOAD_TYPE,
    PeerRecord,
)
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX, signature_validator
from libp2p.security.noise.messages import (
    SIGNED_DATA_PREFIX,
    NoiseHandshakePayload,
    make_data_to_be_signed,
    make_handshake_payload_sig,
    verify_handshake_payload_sig,
)
from multiaddr import Multiaddr

from consensus.state_digest import FAULT_TAG, PAIR_TAG, TASK_TAG
from node.inference.model_digest import DIGEST_DOMAIN
from node.key_sealing import CHECK_DOMAIN, SEALED_DOMAIN
from node.net.identity import key_pair
from protocol.errors import BadSignature, WrongNetwork
from protocol.ids import sha256
from protocol.keys import SIGNATURE_BYTES, is_signed_by
from protocol.params import NETWORK_DOMAIN, NetworkParams, network_of
from protocol.record import RECORD_DOMAIN, Verified, open_record, signed_bytes
from protocol.sealing import COMMIT_DOMAIN, TASK_DOMAIN
from protocol.statements import Statement
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_presence,
    a_profile,
    a_record,
    a_reveal,
    a_task,
    id_of,
    key,
    signer,
)
from tests.strategies import histories

TASK = a_task()
TASK_ID = id_of("sue", TASK)
STATEMENTS: dict[str, Statement] = {
    "profile": a_profile(),
    "task": TASK,
    "commit": a_commit("an", TASK_ID, "positive"),
    "jury": a_jury(TASK_ID, {"bo": "positive"}),
    "reveal": a_reveal("an", TASK_ID, "positive"),
    "presence": a_presence(),
}
RECORDS = {kind: a_record("an", statement) for kind, statement in STATEMENTS.items()}
OTHERS = {
    "another genesis": network_of(NetworkParams(genesis=b"\x02" * 16, name="test")),
    "another name": network_of(NetworkParams(genesis=b"\x01" * 16, name="tesu")),
}
TRANSPORT = key_pair(sha256(b"test key an"))  # what `signer("an")` is made of
STATIC = X25519PublicKey.from_bytes(sha256(b"a static key"))
DOMAINS = {
    "record": RECORD_DOMAIN,
    "task": TASK_DOMAIN,
    "commit": COMMIT_DOMAIN,
    "network": NETWORK_DOMAIN,
    "task state": TASK_TAG,
    "pair state": PAIR_TAG,
    "fault state": FAULT_TAG,
    "model": DIGEST_DOMAIN,
    "sealed key": SEALED_DOMAIN,
    "sealed key's check": CHECK_DOMAIN,
    "noise": SIGNED_DATA_PREFIX.encode(),
    "pubsub": PUBSUB_SIGNING_PREFIX.encode(),
    "tls": b"libp2p-tls-handshake:",
    "peer record": make_unsigned(PEER_RECORD_ENVELOPE_DOMAIN, b"", b"")[:-2],
    "relay": make_unsigned("libp2p-relay-rsvp", b"", b"")[:-2],
}


def under(signature: bytes, raw: bytes) -> bytes:
    """Put another signature under a record."""
    assert len(signature) == SIGNATURE_BYTES
    return raw[:-SIGNATURE_BYTES] + signature


def accepted(raws: Iterator[bytes]) -> int:
    """Count the records whose signature counts; all else about them must be right."""
    count = 0
    for raw in raws:
        try:
            open_record(raw, NETWORK)
        except BadSignature:
            continue
        count += 1
    return count


def test_the_records__are_valid_as_they_are() -> None:
    assert accepted(record.raw for record in RECORDS.values()) == len(RECORDS) == 6
    assert TRANSPORT.public_key.to_bytes() == key("an")


@pytest.mark.parametrize("kind", STATEMENTS)
def test_signature__of_one_kind_is_worth_nothing_under_another(kind: str) -> None:
    others = [record for other, record in RECORDS.items() if other != kind]

    assert accepted(under(RECORDS[kind].signature, other.raw) for other in others) == 0


@settings(max_examples=100, deadline=None)
@given(histories())
def test_signature__of_one_record_is_worth_nothing_under_another(records: list[Verified]) -> None:
    pairs = (
        under(one.signature, other.raw)
        for one, other in permutations(records, 2)
        if one.record_id != other.record_id
    )

    assert accepted(pairs) == 0


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", STATEMENTS)
def test_signature__of_one_network_is_worth_nothing_in_another(kind: str, other: str) -> None:
    here, there = NETWORK, OTHERS[other]
    record = RECORDS[kind]
    renamed = record.raw.replace(here.network_id, there.network_id, 1)

    with pytest.raises(WrongNetwork):
        open_record(record.raw, there)
    with pytest.raises(BadSignature):
        open_record(renamed, there)

    truly = a_record("an", STATEMENTS[kind], network=there)
    assert truly.raw[:-SIGNATURE_BYTES] == renamed[:-SIGNATURE_BYTES]
    assert open_record(truly.raw, there) == truly


@pytest.mark.parametrize("name", [name for name in DOMAINS if name != "record"] + ["none"])
def test_signature__under_another_prefix_is_worth_nothing_for_a_record(name: str) -> None:
    prefix = DOMAINS.get(name, b"")

    def signed_there() -> Iterator[bytes]:
        for record in RECORDS.values():
            words = signed_bytes(record.raw)
            for message in (words.removeprefix(RECORD_DOMAIN), words, record.raw):
                if prefix + message != words:
                    yield under(signer("an").sign(prefix + message), record.raw)

    assert accepted(signed_there()) == 0


def test_domains__none_begins_as_another_does() -> None:
    """Then no message under one can be read as a message under another, whatever follows."""
    clashes = [
        (one, other)
        for (one, first), (other, second) in combinations(DOMAINS.items(), 2)
        if first.startswith(second) or second.startswith(first)
    ]

    assert clashes == []
    assert all(DOMAINS.values())


def noise_signature(keys: KeyPair) -> bytes:
    return make_handshake_payload_sig(keys.private_key, STATIC)


def envelope_signature(keys: KeyPair) -> bytes:
    record = PeerRecord(ID.from_pubkey(keys.public_key), [Multiaddr("/ip4/127.0.0.1/tcp/1")])
    return bytes(seal_record(record, keys.private_key).signature)


def pubsub_signature(keys: KeyPair) -> bytes:
    return keys.private_key.sign(PUBSUB_SIGNING_PREFIX.encode() + a_message().SerializeToString())


@pytest.mark.parametrize("sign", [noise_signature, envelope_signature, pubsub_signature])
def test_signature__of_the_transport_is_worth_nothing_under_a_record(
    sign: Callable[[KeyPair], bytes],
) -> None:
    signature = sign(TRANSPORT)

    assert accepted(under(signature, record.raw) for record in RECORDS.values()) == 0


def test_transport__accepts_what_was_signed_for_it() -> None:
    """So that the refusals below are refusals of the signature, not of the form around it."""
    payload = NoiseHandshakePayload(TRANSPORT.public_key, noise_signature(TRANSPORT))

    assert verify_handshake_payload_sig(payload, STATIC)
    assert is_signed_by(key("an"), make_data_to_be_signed(STATIC), payload.id_sig)
    assert signature_validator(a_message(pubsub_signature(TRANSPORT)))
    envelope(b"words", TRANSPORT.private_key.sign(unsigned(b"words"))).validate(
        PEER_RECORD_ENVELOPE_DOMAIN
    )


@pytest.mark.parametrize("kind", STATEMENTS)
def test_signature__of_a_record_is_worth_nothing_to_the_transport(kind: str) -> None:
    record = RECORDS[kind]
    signature, words = record.signature, signed_bytes(record.raw)

    for static in (STATIC, X25519PublicKey.from_bytes(record.record_id)):
        payload = NoiseHandshakePayload(TRANSPORT.public_key, signature)
        assert not verify_handshake_payload_sig(payload, static)
    for data in (words, record.raw, words.removeprefix(RECORD_DOMAIN)):
        assert not signature_validator(a_message(signature, data=data))
        with pytest.raises(ValueError, match="Invalid envelope signature"):
            envelope(data, signature).validate(PEER_RECORD_ENVELOPE_DOMAIN)


def test_commit__never_shows_what_opens_it() -> None:
    """The salt is 256 random bits: not in the bytes, and not guessed from them."""
    reveal = a_reveal("an", TASK_ID, "positive")
    commit = a_record("an", a_commit("an", TASK_ID, "positive"), created_ms=NOON_MS)

    for hidden in (reveal.salt, reveal.salt.hex().encode(), reveal.result.answer.value):
        assert hidden not in commit.raw
    assert reveal.salt in a_record("an", reveal).raw


def a_message(signature: bytes = b"", *, data: bytes = b"data") -> rpc_pb2.Message:
    message = rpc_pb2.Message(
        data=data,
        topicIDs=["a topic"],
        from_id=ID.from_pubkey(TRANSPORT.public_key).to_bytes(),
        seqno=bytes(8),
    )
    if signature:
        message.key = TRANSPORT.public_key.serialize()
        message.signature = signature
    return message


def unsigned(payload: bytes) -> bytes:
    return make_unsigned(PEER_RECORD_ENVELOPE_DOMAIN, PEER_RECORD_ENVELOPE_PAYLOAD_TYPE, payload)


def envelope(payload: bytes, signature: bytes) -> Envelope:
    return Envelope(
        public_key=TRANSPORT.public_key,
        payload_type=PEER_RECORD_ENVELOPE_PAYLOAD_TYPE,
        raw_payload=payload,
        signature=signature,
    )
