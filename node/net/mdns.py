"""Finds nodes of our network on the same local network, by multicast DNS, if the operator asks.

Says and believes addresses only: who is there is proven when it is dialled. Nothing is sent unless
this runs. The library answers in threads of its own; they hand over to ours.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import trio
from zeroconf import (
    Error,
    InterfaceChoice,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)

from bootstrap.addresses import BadAddress, PeerAddress, parse_address
from bootstrap.mistakes import Mistakes
from bootstrap.reachable import by_turns
from node.net.scopes import shielded
from protocol.ids import PeerId

logger = logging.getLogger(__name__)

SERVICE = "_aimarket._tcp.local."
ADDRESSES_MAX = 4  # of one node; more than one only where it has several interfaces; private first
NAMES_WAITING_MAX = 64  # answers that wait to be looked at; more are dropped
LOOKUP_MS = 3_000
SAY_AGAIN_S = 10.0  # between two looks whether our addresses changed
CLOSE_S = 2.0
# The stubs libp2p brings along do not know that a thread can be left behind.
_in_thread: Any = partial(trio.to_thread.run_sync, abandon_on_cancel=True)  # type: ignore[call-arg]


class LocalNetwork:
    """Says where we are to whoever asks on the local network, and asks who else is there.

    Args:
        network: The id of our network, in hex; others are passed over.
        addresses: Returns our full multiaddrs.
        found: Told of a peer and the full addresses it says it has.
        interfaces: Where to ask; None for every interface.
    """

    def __init__(
        self,
        *,
        network: str,
        addresses: Callable[[], Sequence[str]],
        found: Callable[[PeerId, Sequence[str]], None],
        interfaces: list[str] | None = None,
    ) -> None:
        self._network = network
        self._addresses = addresses
        self._found = found
        self._interfaces: Any = InterfaceChoice.All if interfaces is None else interfaces
        self._mistakes = Mistakes()
        self._name = f"{secrets.token_hex(8)}.{SERVICE}"
        self._send, self._names = trio.open_memory_channel[str](NAMES_WAITING_MAX)

    async def run(self) -> None:
        """Run until cancelled; without a network to ask on, say so and end."""
        token = trio.lowlevel.current_trio_token()
        try:
            zeroconf = await trio.to_thread.run_sync(partial(Zeroconf, self._interfaces))
        except (OSError, Error) as error:
            logger.warning("--mdns: cannot ask on the local network: %s", error)
            return
        try:
            on_change = partial(self._changed, token)
            browser = partial(ServiceBrowser, zeroconf, SERVICE, handlers=[on_change])
            await trio.to_thread.run_sync(browser)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look_up_forever, zeroconf)
                nursery.start_soon(self._say_forever, zeroconf)
        finally:
            with shielded(CLOSE_S):
                await _in_thread(zeroconf.close)

    def _changed(
        self,
        token: trio.lowlevel.TrioToken,
        zeroconf: Zeroconf,
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        """Take note, in a thread of the library, that somebody answered."""
        if state_change is not ServiceStateChange.Removed and name != self._name:
            try:
                token.run_sync_soon(self._enqueue, name)
            except trio.RunFinishedError:
                return

    def _enqueue(self, name: str) -> None:
        try:
            self._send.send_nowait(name)
        except trio.WouldBlock:
            logger.debug("too many answers on the local network; %s is left out", name)

    async def _look_up_forever(self, zeroconf: Zeroconf) -> None:
        async for name in self._names:
            look = partial(zeroconf.get_service_info, SERVICE, name, LOOKUP_MS)
            try:
                info = await _in_thread(look)
            except (OSError, Error, ValueError) as error:
                logger.debug("no answer about %s: %s", name, error)
                continue
            if info is None:
                continue
            try:
                self._take(info.decoded_properties)
            except Exception as error:  # the door: whoever is near says what he likes
                self._mistakes.note(f"read what {name} says", error)

    def _take(self, said: dict[str, str | None]) -> None:
        if said.get("net") != self._network:
            return
        parsed: list[PeerAddress] = []
        for number in range(ADDRESSES_MAX):
            try:
                parsed.append(parse_address(said.get(f"a{number}") or ""))
            except BadAddress:
                continue
        for peer_id in {address.peer_id for address in parsed[:1]}:
            self._found(peer_id, [one.text for one in parsed if one.peer_id == peer_id])

    async def _say_forever(self, zeroconf: Zeroconf) -> None:
        said: dict[str, str] = {}
        while True:
            few = by_turns(self._addresses(), is_near=True)[:ADDRESSES_MAX]
            told = {f"a{n}": text for n, text in enumerate(few)}
            if told != said and told:
                say = zeroconf.update_service if said else zeroconf.register_service
                try:
                    await _in_thread(say, self._info(told))
                    said = told
                except (OSError, Error, ValueError, BadAddress) as error:
                    logger.debug("cannot say where we are on the local network: %s", error)
            await trio.sleep(SAY_AGAIN_S)

    def _info(self, told: dict[str, str]) -> ServiceInfo:
        parsed = parse_address(told["a0"])
        is_ours = not parsed.relay and parsed.text.startswith("/ip")  # a name stands in "a0" alone
        return ServiceInfo(
            SERVICE,
            self._name,
            port=parsed.port,
            properties={"net": self._network, **told},
            server=f"{self._name.split('.')[0]}.local.",
            parsed_addresses=[parsed.host] if is_ours else [],
        )
