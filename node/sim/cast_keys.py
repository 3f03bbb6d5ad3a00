"""One host whose operator holds many keys: each is here, as far as others can tell.

Its machine keeps the log and relays for all of them, and works for none: what a key says is signed
by hand. Keys are cheap, machines are not, so this is how a thousand Sybils come.
"""

from collections.abc import Sequence
from typing import ClassVar

from consensus.log import find_task
from consensus.verdict import SubmittedTask
from node.core import effects as fx
from node.core import events as ev
from node.core.announcer import TTL_INTERVALS
from node.sim.cast_voters import Voter
from node.sim.forge import Forger
from protocol.gossip import pack_gossip
from protocol.ids import Commitment, Digest, PublicKey, TaskId
from protocol.keys import Signer
from protocol.params import TTL_MS_MAX
from protocol.record import Verified
from protocol.sealing import SALT_BYTES, commitment_of, task_id_of
from protocol.statements import Capability, Commit, Jury, Presence, Result, Reveal, Statement, Task

SPEAKS_MS = 2_000  # after its start, when it has neighbours
KEYS_PER_S = 32  # half of what a node takes in from one peer
STATEMENTS_TOGETHER_MAX = 128  # the largest there are of so many fill half a record


class HeldKey:
    """One of the keys.

    Attributes:
        signer: Signs for it.
        key: Its name.
        waiting: What it says with its next record.
        last_ms: The date of its last record.
    """

    __slots__ = ("key", "last_ms", "signer", "waiting")

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.key: PublicKey = signer.public_key
        self.waiting: list[Statement] = []
        self.last_ms = 0


class KeyHolder(Voter, Forger):
    """A host with many keys, all silent; see its kinds for what they may do.

    Attributes:
        keys_held: With how many it begins.
        gathers_ms: How long a key's statements wait for more to go into one record.
        held: The keys, in order.
        offered: What they say that they can run; the host's own key says nothing.
        sealed: What opens their commitments, by task and key.
    """

    cast = "key holder"
    keys_held: ClassVar[int] = 1
    gathers_ms: ClassVar[int] = 0

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.offered: tuple[Capability, ...] = self.capabilities
        self.capabilities = ()
        self.held: dict[PublicKey, HeldKey] = {}
        self.sealed: dict[tuple[TaskId, PublicKey], tuple[Result, bytes]] = {}
        self.hold(self.keys_held)

    def hold(self, keys: int) -> None:
        """Have so many keys in all; before it boots."""
        for number in range(len(self.held), keys):
            held = HeldKey(self.another_key(f"held {number}"))
            self.held[held.key] = held
            self.world.index_of[held.key] = self.index

    # What its kinds override.

    def see_task(self, submitted: SubmittedTask) -> None:
        """Do something about a task that came."""

    def see_commit(self, author: PublicKey, commit: Commit) -> None:
        """Do something about somebody's commitment."""

    def see_jury(self, author: PublicKey, jury: Jury) -> None:
        """Open what was sealed, for every key that is seated."""
        submitted = find_task(self.rows, jury.task_id)
        if submitted is None or submitted.author != author:
            return
        for seat in jury.seats:
            held = self.held.get(seat.juror)
            sealed = self.sealed.get((jury.task_id, seat.juror))
            if held is not None and sealed is not None:
                self.say(held, Reveal(jury.task_id, *sealed))

    def see_reveal(self, author: PublicKey, reveal: Reveal) -> None:
        """Do something about an opened answer."""

    # What its kinds do.

    def seal(self, held: HeldKey, task_id: TaskId, result: Result) -> None:
        """Commit to a result with one key."""
        salt = self.dice.bytes(SALT_BYTES)
        network_id = self.world.network.network_id
        self.sealed[task_id, held.key] = (result, salt)
        commitment = commitment_of(network_id, task_id, held.key, salt, result)
        self.say(held, Commit(task_id, Commitment(commitment)))

    def say(self, held: HeldKey, statement: Statement) -> None:
        """Say something with one key, together with what it says within `gathers_ms`."""
        if not held.waiting and self.machine is not None:
            self.world.schedule.after(self.gathers_ms, self._flush, held)
        held.waiting.append(statement)

    # How it works.

    def begun(self) -> None:
        """Let every key say that it is here, and go on saying it."""
        for number, held in enumerate(self.held.values()):
            wait_ms = SPEAKS_MS + number * 1_000 // KEYS_PER_S
            self.world.schedule.after(wait_ms, self._speak, self.life, held)

    def tell(self, event: ev.Event) -> None:
        """Look at whatever comes, once the log has it."""
        super().tell(event)
        if not isinstance(event, ev.Received):
            return
        for record in event.records:
            for statement in record.statements:
                self._see(record.author, statement)

    def _see(self, author: PublicKey, statement: Statement) -> None:
        match statement:
            case Task():
                submitted = find_task(self.rows, self._id_of(author, statement))
                if submitted is not None:
                    self.see_task(submitted)
            case Commit():
                self.see_commit(author, statement)
            case Jury():
                self.see_jury(author, statement)
            case Reveal():
                self.see_reveal(author, statement)
            case _:
                pass

    def _flush(self, held: HeldKey) -> None:
        if self.machine is None:
            held.waiting.clear()
            return
        while held.waiting:
            some = held.waiting[:STATEMENTS_TOGETHER_MAX]
            del held.waiting[:STATEMENTS_TOGETHER_MAX]
            record = self._signed(held, some)
            self.tell(ev.Received((record,), ev.Via.SYNC, self.peer_id))
            self.world.net.publish(self, fx.Channel.RECORDS, pack_gossip([record.raw]))

    def _speak(self, life: int, held: HeldKey) -> None:
        if life != self.life or self.machine is None:
            return
        crowd_ms = len(self.held) * 1_000 // self.settings.presence_nodes_per_s
        interval_ms = max(self.settings.presence_ms, crowd_ms)
        presence = Presence(
            capabilities=self.offered,
            load=0,
            ttl_ms=min(TTL_INTERVALS * interval_ms, TTL_MS_MAX),
            addresses=(),
            horizon_ms=0,
            count=0,
            fingerprint=bytes(16),
            state_digest=Digest(bytes(32)),
        )
        # Told of it like of a neighbour's, the machine passes it on.
        self.tell(ev.PresencesHeard((self._signed(held, [presence]),), self.peer_id))
        self.world.schedule.after(interval_ms, self._speak, life, held)

    def _signed(self, held: HeldKey, statements: Sequence[Statement]) -> Verified:
        held.last_ms = max(self.wall_ms(), held.last_ms + 1)
        return self.sign(*statements, created_ms=held.last_ms, signer=held.signer)

    def _id_of(self, author: PublicKey, task: Task) -> TaskId:
        return task_id_of(self.world.network.network_id, author, task)
