"""How a node ends: at the first signal in good order, at the second by force."""

import logging
import os

import trio

UNCLEAN_EXIT_CODE = 3

logger = logging.getLogger(__name__)


async def end_by_force(signals: "trio.abc.ReceiveChannel[int]") -> None:
    """End the process at the next signal, whatever it is doing."""
    async for _ in signals:
        logger.error("stopped by force; what was published is on disk all the same")
        os._exit(UNCLEAN_EXIT_CODE)
