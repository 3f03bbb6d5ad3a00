"""Tells the service manager of this machine how the node is, as systemd wants to hear it.

Three words over a datagram socket that the manager names in the environment; where it names none,
nothing happens. The protocol is that of sd_notify(3).
"""

import logging
import os
import re
import socket
from collections.abc import MutableMapping

import trio

logger = logging.getLogger(__name__)

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"
ALIVE_EVERY_S_MIN = 0.1  # however impatient the manager is
_MICROSECONDS = re.compile(r"[1-9][0-9]{0,18}")


class Readiness:
    """One node as its service manager sees it.

    Args:
        address: Where the manager listens: a path, or an abstract name after `@`; empty for nobody.
        alive_every_s: How often it wants to hear that we are alive; None for never.
    """

    def __init__(self, address: str, *, alive_every_s: float | None = None) -> None:
        self._address = address
        self._alive_every_s = alive_every_s if address else None

    def serving(self, status: str) -> None:
        """Say that whoever waited for us may come; `status` is one line for the operator."""
        self._say(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Say that we end on purpose."""
        self._say("STOPPING=1\nSTATUS=stopping")

    async def stay_alive(self) -> None:
        """Say so again and again until cancelled: an event loop that stands still falls silent."""
        if self._alive_every_s is None:
            return
        while True:
            self._say("WATCHDOG=1")
            await trio.sleep(self._alive_every_s)

    def _say(self, words: str) -> None:
        if not self._address:
            return
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto(words.encode(), name)
        except OSError as error:
            reason = error.strerror or str(error)
            logger.warning("the service manager at %s does not listen: %s", self._address, reason)


def take_readiness(environment: MutableMapping[str, str]) -> Readiness:
    """Read who wants to know how we are, and hide it from the processes we start.

    Unusable values are those of somebody else's manager: said in one line, and passed over.
    """
    address = environment.pop(SOCKET_VARIABLE, "")
    pid = environment.pop(WATCHDOG_PID_VARIABLE, "")
    within_us = environment.pop(WATCHDOG_VARIABLE, "")
    if address and not address.startswith(("/", "@")):
        logger.warning("%s=%s: neither a path nor @NAME", SOCKET_VARIABLE, address)
        address = ""
    if not within_us or (pid and pid != str(os.getpid())):
        return Readiness(address)
    if not _MICROSECONDS.fullmatch(within_us):
        logger.warning("%s=%s: not a number of microseconds", WATCHDOG_VARIABLE, within_us)
        return Readiness(address)
    # Half of what is allowed, as sd_watchdog_enabled(3) advises.
    return Readiness(address, alive_every_s=max(ALIVE_EVERY_S_MIN, int(within_us) / 2_000_000))
