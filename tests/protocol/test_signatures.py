"""Signatures on which libraries disagree: our one rule refuses them all.

The twelve cases are those of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko), rebuilt
here from the curve: small-order and mixed-order points in A and R, S at and above the group order,
and encodings with y >= p. Each would be accepted by some verifier in use.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.canonical import pack
from protocol.errors import BadSignature
from protocol.keys import is_author_key, is_signed_by
from protocol.record import RECORD_DOMAIN, open_record
from protocol.schema import fields_of
from tests.builders import NETWORK, a_profile, a_record, key, signer
from tests.protocol.edwards import (
    IDENTITY,
    L,
    P,
    Point,
    add,
    base,
    challenge,
    decode,
    encode,
    secret_scalar,
    times,
    torsion,
)

B, TORSION = base(), torsion()
SECRET, NONCE = 0x1234567 << 200 | 89, 0x7654321 << 190 | 98
MESSAGES = [b"message %d" % number for number in range(400)]


@dataclass(frozen=True)
class Crafted:
    """A signature that some verifier accepts."""

    name: str
    author: bytes
    message: bytes
    signature: bytes


def openssl_accepts(author: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(author).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def craft(
    name: str,
    *,
    a: int,
    a_torsion: int,
    r: int,
    r_torsion: int,
    cofactorless: bool = True,
    s_more: int = 0,
    encode_a: Callable[[Point], bytes] = encode,
    encode_r: Callable[[Point], bytes] = encode,
) -> Crafted:
    """Sign with A = aB + torsion and R = rB + torsion, looking for a message that fits.

    The equation S·B = R + k·A holds as it stands (`cofactorless`), or only times eight.
    """
    author = encode_a(add(times(a, B), TORSION[a_torsion]))
    r_bytes = encode_r(add(times(r, B), TORSION[r_torsion]))
    for message in MESSAGES:
        k = challenge(r_bytes, author, message)
        if ((r_torsion + k * a_torsion) % 8 == 0) == cofactorless:
            s = (r + k * a) % L + s_more
            return Crafted(name, author, message, r_bytes + s.to_bytes(32, "little"))
    raise AssertionError("no message fits")


def noncanonical(point: Point) -> bytes:
    """Encode a point with y + p, which only y < 19 leaves room for."""
    number = int.from_bytes(encode(point), "little")
    y = number & (2**255 - 1)
    assert y < 19
    return (number + P).to_bytes(32, "little")


def negative_zero(point: Point) -> bytes:
    """Encode the identity with the sign of x set, though x is 0."""
    return (int.from_bytes(encode(point), "little") | 1 << 255).to_bytes(32, "little")


def twelve() -> Iterator[Crafted]:
    yield craft("0 small A, small R, S = 0", a=0, a_torsion=1, r=0, r_torsion=3)
    yield craft("1 small A, mixed R", a=0, a_torsion=1, r=NONCE, r_torsion=2)
    yield craft("2 mixed A, small R", a=SECRET, a_torsion=1, r=0, r_torsion=5)
    yield craft("3 mixed A, mixed R", a=SECRET, a_torsion=1, r=NONCE, r_torsion=7)
    yield craft(
        "4 mixed A and R, only times eight",
        a=SECRET,
        a_torsion=1,
        r=NONCE,
        r_torsion=2,
        cofactorless=False,
    )
    yield craft(
        "5 mixed A, prime R, only times eight",
        a=SECRET,
        a_torsion=3,
        r=NONCE,
        r_torsion=0,
        cofactorless=False,
    )
    yield craft("6 S + L", a=SECRET, a_torsion=0, r=NONCE, r_torsion=0, s_more=L)
    yield craft("7 S + 8 L", a=SECRET, a_torsion=0, r=NONCE, r_torsion=0, s_more=8 * L)
    yield craft(
        "8 R = identity, y + p", a=SECRET, a_torsion=0, r=0, r_torsion=0, encode_r=noncanonical
    )
    yield craft(
        "9 R = identity, -0", a=SECRET, a_torsion=0, r=0, r_torsion=0, encode_r=negative_zero
    )
    yield craft(
        "10 A = identity, y + p", a=0, a_torsion=0, r=NONCE, r_torsion=0, encode_a=noncanonical
    )
    yield craft(
        "11 A = identity, -0", a=0, a_torsion=0, r=NONCE, r_torsion=0, encode_a=negative_zero
    )


TWELVE = list(twelve())


def test_curve__is_the_one_we_sign_on() -> None:
    seed = bytes(32)
    scalar = secret_scalar(seed)

    assert encode(times(scalar, B)) == type(signer("an"))(seed).public_key
    assert encode(times(L, B)) == encode(IDENTITY)
    assert len({encode(point) for point in TORSION}) == 8


@pytest.mark.parametrize("crafted", TWELVE, ids=[crafted.name for crafted in TWELVE])
def test_is_signed_by__refuses(crafted: Crafted) -> None:
    assert not is_signed_by(crafted.author, crafted.message, crafted.signature)


def test_openssl__accepts_some_of_them() -> None:
    accepted = {
        crafted.name.split()[0]
        for crafted in TWELVE
        if openssl_accepts(crafted.author, crafted.message, crafted.signature)
    }

    # OpenSSL computes S·B - k·A and compares bytes with R: it never asks for the order of A or R.
    # A node that used it would hold records that libsodium's nodes refuse, for ever.
    assert accepted >= {"0", "1", "2", "3"}


def test_is_author_key__refuses_every_small_order_point_in_every_encoding() -> None:
    for point in TORSION:
        encodings = [encode(point)]
        if int.from_bytes(encodings[0], "little") & (2**255 - 1) < 19:
            encodings.append(noncanonical(point))
        if point[0] % P == 0:
            encodings.append(negative_zero(point))
        for encoded in encodings:
            assert decode(encoded) is not None
            assert not is_author_key(encoded)
            assert not is_signed_by(encoded, b"words", encode(IDENTITY) + bytes(32))


def test_is_author_key__refuses_mixed_order_and_what_is_no_point() -> None:
    assert is_author_key(encode(times(SECRET, B)))
    for at in range(1, 8):
        assert not is_author_key(encode(add(times(SECRET, B), TORSION[at])))
    off_curve = next(
        number.to_bytes(32, "little")
        for number in range(2, 99)
        if decode(number.to_bytes(32, "little")) is None
    )
    for wrong in (off_curve, b"", bytes(31), bytes(33), b"\xff" * 32):
        assert not is_author_key(wrong)


def test_is_signed_by__refuses_a_thousand_records_with_r_the_identity() -> None:
    seed_signer = signer("mallory")
    author = seed_signer.public_key
    scalar = _scalar_of("mallory")
    r = encode(IDENTITY)
    accepted_by_openssl = 0
    for number in range(1_000):
        message = b"vote %d" % number
        s = challenge(r, author, message) * scalar % L
        signature = r + s.to_bytes(32, "little")
        assert not is_signed_by(author, message, signature)
        if number < 10:
            accepted_by_openssl += openssl_accepts(author, message, signature)
    assert accepted_by_openssl == 10


def test_open_record__refuses_a_crafted_vote() -> None:
    author = key("mallory")
    head = [1, NETWORK.network_id, author, 1, 0, [fields_of(a_profile())]]
    signed = RECORD_DOMAIN + pack(head)
    r = encode(IDENTITY)
    s = challenge(r, author, signed) * _scalar_of("mallory") % L
    signature = r + s.to_bytes(32, "little")

    assert openssl_accepts(author, signed, signature)
    with pytest.raises(BadSignature):
        open_record(pack([*head, signature]), NETWORK)


def test_open_record__refuses_s_plus_l_and_keeps_ordinary_ones() -> None:
    record = a_record("an", a_profile())
    s = int.from_bytes(record.signature[32:], "little") + L
    raised = record.raw[:-32] + s.to_bytes(32, "little")

    assert open_record(record.raw, NETWORK) == record
    with pytest.raises(BadSignature):
        open_record(raised, NETWORK)


def test_is_signed_by__accepts_ordinary_signatures_and_no_other_length() -> None:
    for number in range(1, 50):
        message = b"m" * number
        signature = signer("an").sign(message)
        assert is_signed_by(key("an"), message, signature)
        assert not is_signed_by(key("bo"), message, signature)
        assert not is_signed_by(key("an"), message + b"!", signature)
        for wrong in (b"", signature[:-1], signature + b"\0", message + signature):
            assert not is_signed_by(key("an"), message, wrong)


def _scalar_of(name: str) -> int:
    return secret_scalar(hashlib.sha256(b"test key " + name.encode()).digest())
