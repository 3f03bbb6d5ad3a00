"""How a node finds the others: its peer book, and what those who are here say of themselves."""

import logging
import random
from collections.abc import Callable

import trio

from bootstrap.join import Dialer, Joiner
from bootstrap.peer_book import open_book
from node.clock import Clock
from node.config import Config
from node.loop import Loop
from node.names import peer_id_of
from node.store.files import replace_file
from protocol.ids import PublicKey

logger = logging.getLogger(__name__)

PEER_BOOK_NAME = "peers"
LEARN_EVERY_S = 10.0
LEARN_FIRST_S = 0.5  # just before the peer book is first saved
LEARN_AUTHORS_MAX = 64


def open_joiner(
    config: Config,
    dialer: Dialer,
    clock: Clock,
    *,
    me: PublicKey,
    report: Callable[[str], None],
) -> Joiner:
    """Return what joins by the operator's addresses and those remembered from earlier runs."""
    path = config.directory / PEER_BOOK_NAME
    data = path.read_bytes() if path.exists() else b""
    book, damage = open_book(data, config.bootstrap)
    if damage:
        logger.warning("%s", damage)

    async def save(encoded: bytes) -> None:
        await trio.to_thread.run_sync(replace_file, path, encoded)

    return Joiner(
        own_id=peer_id_of(me),
        dialer=dialer,
        book=book,
        save=save,
        clock_ms=lambda: clock.now().ms,
        date_ms=lambda: clock.now().wall_ms,
        dice=random.random,
        report=report,
    )


async def learn_addresses(joiner: Joiner, loop: Loop) -> None:
    """Remember where live authors say they can be dialled, until cancelled."""
    pause_s = LEARN_FIRST_S
    while True:
        await trio.sleep(pause_s)
        pause_s = min(2 * pause_s, LEARN_EVERY_S)
        live = list(loop.machine.presences.live(loop.now().ms).items())
        for author, heard in random.sample(live, min(len(live), LEARN_AUTHORS_MAX)):
            if heard.presence is not None:
                joiner.learn(peer_id_of(author), heard.presence.addresses)
