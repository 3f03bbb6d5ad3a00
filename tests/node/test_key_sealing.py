"""A sealed key opens to what went in, by its passphrase alone, and costs no more than it may."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from node.key_sealing import (
    LOG2_N_MAX,
    LOG2_N_MIN,
    SealBroken,
    SealedKey,
    WrongPassphrase,
    is_sealed_key,
    open_sealed_key,
    read_sealed_key,
    seal_key,
)
from protocol.canonical import pack
from protocol.ids import sha256
from protocol.keys import Signer

SEED = sha256(b"a seed")
PASSPHRASE = b"correct horse battery staple"
CHEAP = LOG2_N_MIN
TEXT = seal_key(SEED, PASSPHRASE, log2_n=CHEAP)
# Sealed once and written down: every later version must open it.
KEPT = b"""\
-----BEGIN AIMARKET SEALED KEY-----
lwHEIG7pYf9b8rXR6Ge5PH+lCm5jQFPpqVt3KUWAuvoQs6uyDsQgHGJbUFHvxDuv
h+VXeru8CNxDCafz+/Jg27RhkgLAAoHEDAzul3b5FZRiic2e3MQwyaFriVkx97+u
Q5kXdTAqerImp4jxJhatxfqHV+FEQpMnale5fQDf2QjQ5TZ+mTVnxCDxfN+8M70A
jznPAaZiO6fgieTqdpfCOW3tOomWjI3AdA==
-----END AIMARKET SEALED KEY-----
"""
BEGIN, *LETTERS, END = TEXT.split(b"\n")[:-1]
BODY = base64.b64decode(b"".join(LETTERS))


def armoured(body: bytes) -> bytes:
    return b"\n".join([BEGIN, base64.b64encode(body), END])


def body(**changed: Any) -> bytes:
    """Pack a sealed key with other words in it, under a checksum that fits."""
    sealed = read_sealed_key(TEXT)
    fields = {
        "version": 1,
        "public_key": sealed.public_key,
        "log2_n": sealed.log2_n,
        "salt": sealed.salt,
        "nonce": sealed.nonce,
        "box": sealed.box,
        **changed,
    }
    words = list(fields.values())
    return pack([*words, sha256(b"aimarket/key-check/1\0", pack(words))])


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=100))
def test_seal_key__opens_to_what_went_in(seed: bytes, passphrase: bytes) -> None:
    text = seal_key(seed, passphrase, log2_n=CHEAP)

    sealed = read_sealed_key(text)

    assert is_sealed_key(text)
    assert sealed.public_key == Signer(seed).public_key
    assert open_sealed_key(sealed, passphrase) == seed
    assert seed not in text
    assert seed not in base64.b64decode(b"".join(text.split(b"\n")[1:-2]))


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=40).filter(lambda guess: guess != PASSPHRASE))
def test_open_sealed_key__refuses_any_other_passphrase(guess: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        open_sealed_key(read_sealed_key(TEXT), guess)


def test_seal_key__gives_another_text_every_time() -> None:
    again = read_sealed_key(seal_key(SEED, PASSPHRASE, log2_n=CHEAP))

    first = read_sealed_key(TEXT)
    assert again.salt != first.salt
    assert again.nonce != first.nonce
    assert again.box != first.box


def test_seal_key__asks_a_guesser_for_128_mib_unless_told_otherwise() -> None:
    sealed = read_sealed_key(seal_key(SEED, PASSPHRASE))

    assert sealed.memory_bytes == 128 << 20
    assert open_sealed_key(sealed, PASSPHRASE) == SEED


def test_read_sealed_key__tells_any_changed_bit_from_a_wrong_passphrase() -> None:
    for at in range(len(BODY)):
        for bit in (1, 16, 128):
            changed = bytearray(BODY)
            changed[at] ^= bit
            with pytest.raises(SealBroken):
                read_sealed_key(armoured(bytes(changed)))


def test_read_sealed_key__refuses_every_truncation() -> None:
    whole = TEXT.rstrip()

    for size in range(len(whole)):
        with pytest.raises(SealBroken):
            read_sealed_key(whole[:size])


def test_read_sealed_key__does_not_mind_how_lines_end() -> None:
    assert read_sealed_key(TEXT.replace(b"\n", b"\r\n")) == read_sealed_key(TEXT)
    assert read_sealed_key(b"\n" + TEXT.rstrip()) == read_sealed_key(TEXT)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_read_sealed_key__refuses_whatever_is_not_one(noise: bytes) -> None:
    for text in (noise, armoured(noise), BEGIN + noise + END):
        with pytest.raises(SealBroken):
            read_sealed_key(text)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"log2_n": LOG2_N_MIN - 1}, f"log2 n: {LOG2_N_MIN - 1}, need at least {LOG2_N_MIN}"),
        ({"log2_n": 0}, "log2 n: 0"),
        ({"log2_n": LOG2_N_MAX + 1}, f"need an integer from 0 to {LOG2_N_MAX}"),
        ({"log2_n": 63}, f"need an integer from 0 to {LOG2_N_MAX}"),
        ({"log2_n": 2**63}, f"need an integer from 0 to {LOG2_N_MAX}"),
        ({"log2_n": True}, "need an integer"),
        ({"version": 2}, "version 2, this program knows 1"),
        ({"salt": b""}, "salt: 0 bytes"),
        ({"salt": bytes(5_000)}, "salt: 5000 bytes"),
        ({"nonce": bytes(24)}, "nonce: 24 bytes"),
        ({"box": bytes(32)}, "box: 32 bytes"),
        ({"public_key": bytes(31)}, "public key: 31 bytes"),
        ({"more": 1}, "8 items, need 7"),
    ],
)
def test_read_sealed_key__holds_every_field_to_its_limits__before_anything_is_spent(
    changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(SealBroken, match=words):
        read_sealed_key(armoured(body(**changed)))


def test_read_sealed_key__takes_no_file_that_costs_more_than_512_mib() -> None:
    dearest = read_sealed_key(armoured(body(log2_n=LOG2_N_MAX)))

    assert dearest.memory_bytes == 512 << 20


def test_read_sealed_key__names_a_newer_version_of_another_shape() -> None:
    newer = pack([3, b"whatever it holds"])

    with pytest.raises(SealBroken, match="version 3, this program knows 1"):
        read_sealed_key(armoured(newer))


@pytest.mark.parametrize(
    "changed",
    [
        {"public_key": Signer(sha256(b"mallory")).public_key},
        {"log2_n": CHEAP + 1},
        {"salt": bytes(32)},
        {"nonce": bytes(12)},
        {"box": bytes(48)},
    ],
)
def test_open_sealed_key__is_not_fooled_by_a_checksum_that_was_made_to_fit(
    changed: dict[str, Any],
) -> None:
    sealed = read_sealed_key(armoured(body(**changed)))

    with pytest.raises(WrongPassphrase):
        open_sealed_key(sealed, PASSPHRASE)


def test_open_sealed_key__refuses_the_seed_of_another__whoever_sealed_it() -> None:
    """Whoever knows the passphrase can seal any seed under our name; we would sign as another."""
    ours = read_sealed_key(TEXT)
    derived = Scrypt(ours.salt, 32, n=1 << CHEAP, r=8, p=1).derive(PASSPHRASE)
    bound = [1, ours.public_key, CHEAP, ours.salt, ours.nonce]
    cipher = ChaCha20Poly1305(derived)
    box = cipher.encrypt(ours.nonce, sha256(b"mallory"), b"aimarket/key/1\0" + pack(bound))

    with pytest.raises(SealBroken, match="the key of somebody else"):
        open_sealed_key(read_sealed_key(armoured(body(box=box))), PASSPHRASE)


def test_open_sealed_key__opens_what_was_sealed_long_ago() -> None:
    assert open_sealed_key(read_sealed_key(KEPT), PASSPHRASE) == SEED


def test_sealed_key__is_bound_as_its_docstring_says() -> None:
    """Another program must be able to open it: these bytes are written down for good."""
    salt, nonce, public_key = bytes(32), bytes(12), Signer(SEED).public_key
    head = [1, public_key, CHEAP, salt, nonce]
    cipher = ChaCha20Poly1305(Scrypt(salt, 32, n=1 << CHEAP, r=8, p=1).derive(b"pw"))
    box = cipher.encrypt(nonce, SEED, b"aimarket/key/1\0" + pack(head))

    sealed = read_sealed_key(armoured(body(salt=salt, nonce=nonce, box=box)))

    assert open_sealed_key(sealed, b"pw") == SEED
    assert sealed == SealedKey(public_key, CHEAP, salt, nonce, box)
