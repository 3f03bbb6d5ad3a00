"""The golden vectors, from the words of the specification alone.

Nothing of this project and no msgpack library is used, so whoever writes another node can read
here, byte by byte, what it must produce. Write them again with

    python tests/vectors/generate.py > tests/vectors/protocol.json
"""

import hashlib
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CREATED_MS = 1_700_000_000_000
NONCE, MODEL, SALT = bytes(range(16)), bytes(range(32)), bytes(range(32, 64))
PARAMETERS = [b"\x01" * 16, "vectors", 32_768, 256, 16_384, 1_024, 64, 64, 31, 4, 20_000, 0, []]


def encode(value: Any) -> bytes:
    """Encode as the shortest msgpack."""
    if isinstance(value, int):
        for most, head, size in (
            (0x7F, b"", 1),
            (0xFF, b"\xcc", 1),
            (0xFFFF, b"\xcd", 2),
            (0xFFFFFFFF, b"\xce", 4),
        ):
            if value <= most:
                return head + value.to_bytes(size, "big")
        return b"\xcf" + value.to_bytes(8, "big")
    if isinstance(value, bytes):
        size = len(value)
        head = b"\xc4" + bytes([size]) if size < 256 else b"\xc5" + size.to_bytes(2, "big")
        return head + value
    if isinstance(value, str):
        size = len(value.encode())
        return (bytes([0xA0 | size]) if size < 32 else b"\xd9" + bytes([size])) + value.encode()
    size = len(value)
    head = bytes([0x90 | size]) if size < 16 else b"\xdc" + size.to_bytes(2, "big")
    return head + b"".join(map(encode, value))


def sha256(data: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(data).digest()


def author(seed: bytes) -> bytes:
    """Return the public key of a seed."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def build() -> dict[str, Any]:
    """Make every vector; bytes are shown in hex."""
    network_id = sha256(b"aimarket/network/1\0" + encode(PARAMETERS))[:16]
    seeds = {"submitter": b"s" * 32, "juror": b"j" * 32}
    task = [2, NONCE, "sentiment", MODEL, "schön".encode(), 3, 0, b""]
    submitter, juror = author(seeds["submitter"]), author(seeds["juror"])
    task_id = sha256(b"aimarket/task/1\0" + network_id + submitter + encode(task))
    result: list[Any] = [[0, b"positive"], 912_345, 801_234]
    sealed = b"aimarket/commit/1\0" + network_id + task_id + juror + SALT + encode(result)
    commitment = sha256(sealed)
    retry = [*task[:6], 1, task_id]
    presence = [
        6, [["echo", b""], ["sentiment", MODEL]], 2, 30_000, ["/ip4/127.0.0.1/tcp/4001"],
        CREATED_MS - 60_000, 300, bytes(16), bytes(32),
    ]  # fmt: skip
    said: dict[str, tuple[str, list[Any]]] = {
        "profile": ("submitter", [[1, 7, "Ann", "aimarket/0.1"]]),
        "task": ("submitter", [task]),
        "retry": ("submitter", [retry]),
        "commit": ("juror", [[3, task_id, commitment]]),
        "jury": ("submitter", [[4, task_id, [[juror, commitment]]]]),
        "reveal": ("juror", [[5, task_id, *result, SALT]]),
        "reveal of an error": ("juror", [[5, task_id, [1, "too_long"], 0, 1_000_000, SALT]]),
        "presence": ("juror", [presence]),
        "several": ("juror", [[1, 0, "", ""], [3, task_id, commitment]]),
        "one more than a short array holds": ("juror", [[3, task_id, commitment]] * 16),
    }
    records = {}
    for name, (who, statements) in said.items():
        head = [1, network_id, author(seeds[who]), CREATED_MS, 0, statements]
        signed = b"aimarket/record/1\0" + encode(head)
        signature = Ed25519PrivateKey.from_private_bytes(seeds[who]).sign(signed)
        raw = encode([*head, signature])
        records[name] = {"author": who, "id": sha256(signed).hex(), "raw": raw.hex()}
    gossip = encode([bytes.fromhex(records[name]["raw"]) for name in ("commit", "reveal")])
    return {
        "parameters": [value.hex() if isinstance(value, bytes) else value for value in PARAMETERS],
        "network_id": network_id.hex(),
        "seeds": {name: seed.hex() for name, seed in seeds.items()},
        "authors": {name: author(seed).hex() for name, seed in seeds.items()},
        "task_id": task_id.hex(),
        "salt": SALT.hex(),
        "commitment": commitment.hex(),
        "created_ms": CREATED_MS,
        "records": records,
        "gossip": {"raw": gossip.hex(), "topic": "t", "id": sha256(b"t\0" + gossip).hex()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(build(), indent=1, ensure_ascii=False) + "\n")
