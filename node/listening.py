"""Where a node listens if nobody says so."""

from collections.abc import Callable

from node.config import DEFAULT_LISTEN, DEFAULT_LISTEN_PORT
from node.errors import StartError
from node.net.sockets import check_free, read_multiaddr


def default_listen(say: Callable[[str], None]) -> str:
    """Return the default address, or any free port, which is said, if another node has it."""
    try:
        check_free(read_multiaddr(DEFAULT_LISTEN))
    except StartError:
        say(f"port {DEFAULT_LISTEN_PORT} is taken; listening on a free one instead")
        return DEFAULT_LISTEN.replace(str(DEFAULT_LISTEN_PORT), "0")
    return DEFAULT_LISTEN
