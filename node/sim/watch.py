"""What must never happen, looked at while it could: nobody honest signs a slot twice."""

from typing import TYPE_CHECKING

from node.core.own import profile_slot, retry_slot, statement_slot
from protocol.canonical import pack
from protocol.gossip import unpack_gossip
from protocol.ids import PublicKey, RecordId
from protocol.record import Verified
from protocol.schema import fields_of
from protocol.statements import Commit, Jury, Kind, Profile, Reveal, Task

if TYPE_CHECKING:
    from node.sim.host import Host
    from node.sim.world import World


class Watch:
    """Looks at everything that leaves an honest host.

    Attributes:
        violations: What was found, in order.
    """

    def __init__(self, world: "World") -> None:
        self.violations: list[str] = []
        self._world = world
        self._signed: dict[tuple[PublicKey, bytes], tuple[bytes, RecordId]] = {}
        self._known: dict[bytes, None] = {}

    def published(self, host: "Host", data: bytes) -> None:
        """Take in what a host publishes."""
        if not host.is_honest:
            return
        for raw in unpack_gossip(data):
            record = self._world.opened(raw)
            if record.presence is None and record.author == host.key:
                if raw not in self._known:
                    self._known[raw] = None
                    self._take(host, record)
                else:
                    self._world.counts.saw("a record was published again")

    def _take(self, host: "Host", record: Verified) -> None:
        for statement in record.statements:
            match statement:
                case Commit(task_id):
                    slot = statement_slot(Kind.COMMIT, task_id)
                case Jury(task_id):
                    slot = statement_slot(Kind.JURY, task_id)
                case Reveal(task_id):
                    slot = statement_slot(Kind.REVEAL, task_id)
                case Profile(sequence):
                    slot = profile_slot(sequence)
                case Task() if statement.retry_of:
                    slot = retry_slot(statement.retry_of)
                case _:
                    continue
            said = (pack(fields_of(statement)), record.record_id)
            before = self._signed.setdefault((host.key, slot), said)
            if before != said:
                now_ms = self._world.schedule.now_ms
                what = type(statement).__name__
                self.violations.append(
                    f"{host.name} signed a {what} twice for one slot, the second at {now_ms} ms"
                )
