"""B8: one gossip message of every kind that is rejected, or ignored, or of no use to anybody."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from node.core.effects import Channel
from protocol.gossip import pack_gossip
from protocol.ids import Commitment, PublicKey, RecordId, TaskId, sha256
from protocol.keys import Signer
from protocol.params import GOSSIP_BYTES_MAX, GOSSIP_RECORDS_MAX, Network, network_of
from protocol.record import seal, signed_bytes
from protocol.statements import Commit, Jury, Profile, Seat, Statement, Task
from protocol.work import has_work
from tests.builders import a_presence, a_reveal, a_task

DAY_MS = 86_400_000
RECORDS, PRESENCE = Channel.RECORDS, Channel.PRESENCE


@dataclass(frozen=True, slots=True)
class Poison:
    """One message.

    Attributes:
        kind: What is wrong with it.
        channel: Where it is said.
        data: Its bytes.
        is_wrong: Whether its bytes alone show that no correct node passes it on.
    """

    kind: str
    channel: Channel
    data: bytes
    is_wrong: bool


class Poisoner:
    """Makes messages anew each time, by one key and by new ones.

    Args:
        network: Where they are heard.
        signer: Who may write there.
        rng: Makes each of them another.
    """

    def __init__(self, network: Network, signer: Signer, rng: random.Random) -> None:
        self._network = network
        self._signer = signer
        self._rng = rng
        params = network.params
        self._lax = Network(
            replace(params, members=(), record_work_bits=0, record_bytes_max=1 << 20),
            network.network_id,
        )
        self._elsewhere = network_of(replace(params, genesis=b"another network!"))

    def all(self, now_ms: int) -> Iterator[Poison]:
        """Return a message of every kind, as somebody would say them at a date."""
        for kind, channel, raws in self._wrong_records(now_ms):
            yield Poison(kind, channel, pack_gossip(raws), is_wrong=True)
        junk = self._rng.randbytes
        yield Poison("no message", RECORDS, junk(300), is_wrong=True)
        yield Poison("too many bytes", RECORDS, junk(GOSSIP_BYTES_MAX + 1), is_wrong=True)
        good = self._sealed(self._a_task(), now_ms)
        spelt = b"\xdc\x00\x01" + pack_gossip([good])[1:]
        yield Poison("another spelling of a message", RECORDS, spelt, is_wrong=True)
        for kind, channel, raws in self._useless_records(now_ms):
            yield Poison(kind, channel, pack_gossip(raws), is_wrong=False)
        known = pack_gossip([good])
        yield Poison("what will be known", RECORDS, known, is_wrong=False)
        forged = pack_gossip([_changed(good), self._sealed(self._a_task(), now_ms)])
        yield Poison("a forged copy of what is known", RECORDS, forged, is_wrong=True)

    def _wrong_records(self, now_ms: int) -> Iterator[tuple[str, Channel, list[bytes]]]:
        task = self._a_task()
        good, presence = (self._sealed(said, now_ms) for said in (task, a_presence()))
        bad = _changed(good)
        large = [replace(self._a_task(), input=bytes(16_000)) for _ in range(3)]
        yield "a bad signature", RECORDS, [bad]
        yield "a bad signature on a presence", PRESENCE, [_changed(presence)]
        yield "a bad record behind a good one", RECORDS, [self._sealed(large[0], now_ms), bad]
        yield "somebody else's name", RECORDS, [self._renamed(good)]
        yield (
            "another spelling of a record",
            RECORDS,
            [b"\xdc\x00" + bytes([good[0] & 15]) + good[1:]],
        )
        yield "a byte too many", RECORDS, [good + b"\0"]
        yield "another network", RECORDS, [self._sealed(task, now_ms, self._elsewhere)]
        yield "a record too large", RECORDS, [self._sealed(large, now_ms, self._lax)]
        yield "no record", RECORDS, [self._rng.randbytes(200)]
        yield "too many records", RECORDS, [bytes(9)] * (GOSSIP_RECORDS_MAX + 1)
        yield "no records", RECORDS, []
        yield "a presence among records", RECORDS, [presence]
        yield "a record among presences", PRESENCE, [good]
        yield "a presence and a record", PRESENCE, [presence, good]
        if self._network.params.record_work_bits:
            yield "no work", RECORDS, [self._without_work(now_ms)]
            yield "no work for a presence", PRESENCE, [self._without_work(now_ms, a_presence())]
        stranger = Signer(self._rng.randbytes(32))
        if self._network.params.members:
            outside = replace(self._network.params, members=())
            open_to_all = Network(outside, self._network.network_id)
            by_stranger = self._sealed(task, now_ms, open_to_all, signer=stranger)
            yield "not a member", RECORDS, [by_stranger]
        else:
            by_stranger = self._sealed(task, now_ms, signer=stranger)
            yield "two authors", RECORDS, [good, by_stranger]

    def _useless_records(self, now_ms: int) -> Iterator[tuple[str, Channel, list[bytes]]]:
        """Return what is right as far as its bytes go: ignored, or passed on by everybody."""
        unknown = TaskId(self._rng.randbytes(32))
        sequence = self._rng.randrange(2**40)
        one = self._sealed(self._a_task(), now_ms)
        said = self._sealed(a_presence(), now_ms - self._rng.randrange(1, 1_000))
        yield "something", RECORDS, [one]
        yield "the same again", RECORDS, [one]
        yield "the same twice", RECORDS, [one, one]
        yield "a future record", RECORDS, [self._sealed(self._a_task(), now_ms + DAY_MS)]
        yield "an old record", RECORDS, [self._sealed(self._a_task(), now_ms - DAY_MS)]
        yield "a commit for no task", RECORDS, [self._sealed(self._a_commit(unknown), now_ms)]
        yield "another commit", RECORDS, [self._sealed(self._a_commit(unknown), now_ms)]
        yield "a reveal for no task", RECORDS, [self._sealed(a_reveal("x", unknown, "no"), now_ms)]
        for name in ("a jury for no task", "another jury"):
            yield name, RECORDS, [self._sealed(self._a_jury(unknown), now_ms)]
        for alias in ("one name", "another name"):
            yield alias, RECORDS, [self._sealed(Profile(sequence, alias, ""), now_ms)]
        yield "a presence", PRESENCE, [said]
        yield "a presence again", PRESENCE, [said]
        yield "an old presence", PRESENCE, [self._sealed(a_presence(), now_ms - DAY_MS)]
        yield "a future presence", PRESENCE, [self._sealed(a_presence(), now_ms + DAY_MS)]

    def _a_task(self) -> Task:
        return a_task(nonce=self._rng.getrandbits(100))

    def _a_commit(self, task_id: TaskId) -> Commit:
        return Commit(task_id, Commitment(self._rng.randbytes(32)))

    def _a_jury(self, task_id: TaskId) -> Jury:
        keys = sorted(PublicKey(Signer(self._rng.randbytes(32)).public_key) for _ in range(3))
        return Jury(task_id, tuple(Seat(one, Commitment(self._rng.randbytes(32))) for one in keys))

    def _sealed(
        self,
        said: Statement | list[Task],
        created_ms: int,
        network: Network | None = None,
        *,
        signer: Signer | None = None,
    ) -> bytes:
        return seal(
            said if isinstance(said, list) else [said],
            signer=signer or self._signer,
            created_ms=created_ms,
            network=network or self._network,
        ).raw

    def _renamed(self, raw: bytes) -> bytes:
        """Put another name over a record, which must not make its work too little."""
        while True:
            other = Signer(self._rng.randbytes(32)).public_key
            renamed = raw.replace(self._signer.public_key, other, 1)
            name = RecordId(sha256(signed_bytes(renamed)))
            if has_work(name, self._network.params.record_work_bits):
                return renamed

    def _without_work(self, created_ms: int, said: Statement | None = None) -> bytes:
        while True:
            raw = self._sealed(said or self._a_task(), created_ms, self._lax)
            name = RecordId(sha256(signed_bytes(raw)))
            if not has_work(name, self._network.params.record_work_bits):
                return raw
            created_ms += 1


def _changed(raw: bytes) -> bytes:
    """Change one bit of a signature."""
    return raw[:-1] + bytes([raw[-1] ^ 1])
