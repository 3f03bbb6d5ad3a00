"""Tells the machine where we are dialled: at the start, and whenever that is another place."""

import trio

from node.core.events import Listening
from node.loop import Loop
from node.net.scopes import TaskStatus
from node.ports import Net

LOOK_S = 2.0  # interfaces come and go, and so do relays


async def tell_addresses(
    net: Net, loop: Loop, *, task_status: TaskStatus = trio.TASK_STATUS_IGNORED
) -> None:
    """Run until cancelled; started once the addresses of the start are told."""
    told: tuple[str, ...] | None = None
    while True:
        addresses = net.addresses()
        if addresses != told:
            await loop.tell(Listening(addresses))
            told = addresses
        task_status.started()
        task_status = trio.TASK_STATUS_IGNORED
        await trio.sleep(LOOK_S)
