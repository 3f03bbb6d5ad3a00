"""What the roles of one machine share."""

from collections.abc import Callable
from dataclasses import dataclass

from node.core.alarms import Alarms
from node.core.outbox import Outbox
from node.core.presences import Presences
from node.core.settings import Settings
from protocol.ids import PublicKey
from protocol.params import Network


@dataclass(frozen=True, slots=True)
class Parts:
    """Handed to every role by the machine that made them.

    Attributes:
        me: Our own key.
        network: The network we belong to.
        settings: What the operator chose.
        presences: Who is here.
        outbox: Where our words wait.
        alarms: What is to be looked at again.
        dice: Returns so many random bytes.
    """

    me: PublicKey
    network: Network
    settings: Settings
    presences: Presences
    outbox: Outbox
    alarms: Alarms
    dice: Callable[[int], bytes]
