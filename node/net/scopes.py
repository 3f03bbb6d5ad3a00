"""Room to finish: a scope that outlives being cancelled, for so long and no longer."""

import math
from typing import Any

import trio

TaskStatus = Any  # trio's own type; the stubs libp2p brings along hide it from the type checker


def shielded(seconds: float = math.inf) -> trio.CancelScope:
    """Return a scope that is not cancelled from outside and ends after so many seconds.

    A frame of yamux that is being written is waited for all the same, longer if need be
    (`node.net.patches`): half a frame would spoil the connection.
    """
    scope = trio.CancelScope()
    if seconds != math.inf:
        scope.deadline = trio.current_time() + seconds
    scope.shield = True
    return scope
