"""Tells the machine where we are dialled: at the start, and whenever that is another place."""

from collections.abc import Callable

import trio

from bootstrap.addresses import CIRCUIT
from node.core.events import Listening
from node.loop import Loop
from node.net.scopes import TaskStatus
from node.ports import Net

LOOK_S = 2.0  # interfaces come and go, and so do relays


async def tell_addresses(
    net: Net,
    loop: Loop,
    moved: Callable[[], None],
    *,
    task_status: TaskStatus = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until cancelled; started once the addresses of the start are told.

    `moved` is called when an address of this machine itself came or went later.
    """
    told: tuple[str, ...] | None = None
    while True:
        addresses = net.addresses()
        if addresses != told:
            if told is not None and _own(addresses) != _own(told):
                moved()
            await loop.tell(Listening(addresses))
            told = addresses
        task_status.started()
        task_status = trio.TASK_STATUS_IGNORED
        await trio.sleep(LOOK_S)


def _own(addresses: tuple[str, ...]) -> list[str]:
    """Return the addresses that need no relay."""
    return [address for address in addresses if CIRCUIT not in address]
