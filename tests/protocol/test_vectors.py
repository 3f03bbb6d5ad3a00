"""The golden vectors: what another implementation must produce, byte for byte.

They are written by `tests/vectors/generate.py`, which shares no code with this project.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.gossip import message_id, pack_gossip, unpack_gossip
from protocol.keys import Signer
from protocol.params import NetworkParams, network_of
from protocol.record import open_record, seal
from protocol.sealing import opened_commitment, task_id_of
from protocol.statements import Commit, Jury, Reveal, Task
from tests.vectors.generate import build

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "protocol.json").read_text(encoding="utf-8")
)
_GENESIS, *_NUMBERS, _MEMBERS = VECTORS["parameters"]
_VALUES = [bytes.fromhex(_GENESIS), *_NUMBERS, tuple(_MEMBERS)]
NETWORK = network_of(NetworkParams(**dict(zip(NetworkParams.__slots__, _VALUES, strict=True))))
SIGNERS = {name: Signer(bytes.fromhex(seed)) for name, seed in VECTORS["seeds"].items()}
NAMES = list(VECTORS["records"])


def opened(name: str) -> Any:
    return open_record(bytes.fromhex(VECTORS["records"][name]["raw"]), NETWORK)


def test_vectors__are_what_the_generator_writes() -> None:
    assert build() == VECTORS


def test_network_id__is_golden() -> None:
    assert NETWORK.network_id.hex() == VECTORS["network_id"]


def test_authors__are_golden() -> None:
    shown = {name: signer.public_key.hex() for name, signer in SIGNERS.items()}

    assert shown == VECTORS["authors"]


@pytest.mark.parametrize("name", NAMES)
def test_record__is_golden_both_ways(name: str) -> None:
    golden = VECTORS["records"][name]

    record = opened(name)
    again = seal(
        record.statements,
        signer=SIGNERS[golden["author"]],
        created_ms=VECTORS["created_ms"],
        network=NETWORK,
    )

    assert record.record_id.hex() == golden["id"]
    assert again.raw.hex() == golden["raw"]
    assert again == record


def test_vectors__cover_every_kind() -> None:
    kinds = {type(statement).__name__ for name in NAMES for statement in opened(name).statements}

    assert kinds == {"Profile", "Task", "Commit", "Jury", "Reveal", "Presence"}


def test_task_id__is_golden() -> None:
    task = opened("task").statements[0]
    assert isinstance(task, Task)

    task_id = task_id_of(NETWORK.network_id, SIGNERS["submitter"].public_key, task)

    assert task_id.hex() == VECTORS["task_id"]


def test_commitment__is_golden() -> None:
    (commit,), (jury,), (reveal,) = (opened(n).statements for n in ("commit", "jury", "reveal"))
    assert isinstance(commit, Commit)
    assert isinstance(jury, Jury)
    assert isinstance(reveal, Reveal)

    found = opened_commitment(NETWORK.network_id, SIGNERS["juror"].public_key, reveal)

    assert found.hex() == VECTORS["commitment"]
    assert found == commit.commitment == jury.seats[0].commitment
    assert reveal.salt.hex() == VECTORS["salt"]


def test_gossip__is_golden() -> None:
    raw = bytes.fromhex(VECTORS["gossip"]["raw"])
    records = [opened(name).raw for name in ("commit", "reveal")]

    assert unpack_gossip(raw) == records
    assert pack_gossip(records) == raw
    assert message_id(VECTORS["gossip"]["topic"], raw).hex() == VECTORS["gossip"]["id"]
