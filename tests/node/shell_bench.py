"""A loop with everything around it in memory: what it did is written down in order."""

from dataclasses import dataclass, field
from itertools import count

from consensus.rows import Changes
from node.clock import Clock
from node.core.effects import Channel
from node.core.machine import Machine
from node.errors import InferenceFailed
from node.gate import RecordGate
from node.instruments import Instruments
from node.loop import Loop
from protocol.ids import PublicKey
from protocol.params import Network
from protocol.statements import Answer, AnswerKind, Capability, Result
from protocol.topics import topics_of
from tests.builders import NETWORK, signer
from tests.fakes_store import MemoryJournal, MemoryLog

TOPICS = topics_of(NETWORK.network_id)
ECHO = Capability("echo", b"")


class EchoInference:
    """Answers every input with itself."""

    def capabilities(self) -> tuple[Capability, ...]:
        return (ECHO,)

    async def infer(self, capability: Capability, input_bytes: bytes) -> Result:
        if input_bytes == b"fail":
            raise InferenceFailed("it was told to")
        return Result(Answer(AnswerKind.VALUE, input_bytes), 1_000_000, 1_000_000)


@dataclass
class Bench:
    """One node without network or disk.

    Attributes:
        loop: Not running yet.
        log: Its rows.
        gate: What its mesh would ask.
        done: `journal`, `flush` and `publish` in the order in which they happened.
        published: What was offered to the mesh.
        told: Of each step, how many rows were not written yet, and what it wrote.
        instruments: What it measured.
    """

    loop: Loop
    log: MemoryLog
    gate: RecordGate
    done: list[str] = field(default_factory=list)
    published: list[tuple[Channel, bytes]] = field(default_factory=list)
    told: list[tuple[int, list[Changes]]] = field(default_factory=list)
    instruments: Instruments = field(default_factory=lambda: Instruments(PublicKey(bytes(32))))


def a_bench(name: str = "alice", *, network: Network = NETWORK) -> Bench:
    done: list[str] = []
    published: list[tuple[Channel, bytes]] = []
    told: list[tuple[int, list[Changes]]] = []

    class Log(MemoryLog):
        def flush(self, *, sync: bool = False) -> None:
            done.append("flush")
            super().flush(sync=sync)

    class Journal(MemoryJournal):
        def append(self, payloads: object) -> None:
            done.append("journal")
            super().append(payloads)  # type: ignore[arg-type]

    async def publish(channel: Channel, data: bytes) -> None:
        done.append(f"publish {channel.value}")
        published.append((channel, data))

    numbers = count(1)
    log = Log()
    machine = Machine(
        signer=signer(name),
        network=network,
        rows=log,
        dice=lambda size: next(numbers).to_bytes(size),
        alias=name,
    )
    instruments = Instruments(machine.me, [ECHO.task_type])
    loop = Loop(
        machine=machine,
        log=log,
        journal=Journal(),
        publish=publish,
        inference=EchoInference(),
        clock=Clock(),
        stepped=lambda written: told.append((log.staged_count, list(written))),
        instruments=instruments,
    )
    gate = RecordGate(
        loop=loop, log=log, network=network, topics=TOPICS, rejected=instruments.rejected
    )
    return Bench(loop, log, gate, done, published, told, instruments)
