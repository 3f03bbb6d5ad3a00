"""Seals our records; where the network asks for work, the shell does that before.

Looking for the number takes as long as it takes, so the machine only orders it and hears of it
later. Orders are done one after the other, in the order in which they were given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.core.effects import Work
from node.core.turn import Turn
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import Verified, seal, unworked
from protocol.statements import Statement


@dataclass(slots=True)
class Order:
    """A record whose work is being done.

    Attributes:
        ticket: Names the order.
        statements: What the record says.
        created_ms: Its date.
        work: The number, once it was found.
    """

    ticket: int
    statements: tuple[Statement, ...]
    created_ms: int
    work: int | None = None


class Sealer:
    """Signs for one key in one network."""

    def __init__(self, signer: Signer, network: Network) -> None:
        self.public_key = signer.public_key
        self._signer = signer
        self._network = network
        self._tickets = 0

    @property
    def needs_work(self) -> bool:
        """Answer whether a record must be ordered before it can be sealed."""
        return self._network.params.record_work_bits > 0

    def seal(self, statements: Sequence[Statement], created_ms: int) -> Verified:
        """Sign a record that needs no work."""
        assert not self.needs_work, "who needs work orders it"
        return seal(
            statements, signer=self._signer, created_ms=created_ms, network=self._network, work=0
        )

    def order(self, turn: Turn, statements: Sequence[Statement], created_ms: int) -> Order:
        """Have the work of a record done; a `Worked` with the ticket comes back."""
        self._tickets += 1
        record = unworked(
            statements, author=self.public_key, created_ms=created_ms, network=self._network
        )
        turn.effects.append(Work(self._tickets, record))
        return Order(self._tickets, tuple(statements), created_ms)

    def seal_order(self, order: Order) -> Verified:
        """Sign a record whose work was done."""
        assert order.work is not None, "nothing is sealed before its work is done"
        return seal(
            order.statements,
            signer=self._signer,
            created_ms=order.created_ms,
            network=self._network,
            work=order.work,
        )
