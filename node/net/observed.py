"""What others see us as: the address our connections have at their other end.

A peer can say what it likes, so a single one is never believed about where we are: an address
counts once several peers agree on it that are not behind one address themselves. That a connection
was translated on its way is another matter: it costs little to take precautions.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetConn, INetStream
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.utils.varint import read_varint_prefixed_bytes_limited
from multiaddr import Multiaddr

from node.net.stack import IDENTIFY
from node.net.streams import end_stream

IDENTIFY_BYTES_MAX = 16_384  # a key, a signed record and a list of protocols take some two thousand
IDENTIFY_S = 5.0
PROTOCOLS_MAX = 256
OBSERVERS_MAX = 64  # of whom we remember what they said; the oldest makes room
OBSERVERS_MIN = 3  # that must agree
_NEGOTIATE_S = 5


class Unclear(Exception):
    """A peer did not say what it sees, or nothing that could be; the message says how."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one peer said of a connection that we dialled.

    Attributes:
        seen_ip: Our address as it sees it.
        local_ip: Our address as we see it.
        observer_ip: Its own, as we see it.
    """

    seen_ip: str
    local_ip: str
    observer_ip: str

    @property
    def is_translated(self) -> bool:
        """Return whether somebody on the way gave us another address."""
        return self.seen_ip != self.local_ip


class Sightings:
    """The last word of each of the last OBSERVERS_MAX observers."""

    def __init__(self) -> None:
        self._by_observer: dict[str, Sighting] = {}

    def note(self, observer: str, sighting: Sighting) -> None:
        """Take in what a peer said, in place of what it said before."""
        self._by_observer.pop(observer, None)
        self._by_observer[observer] = sighting
        while len(self._by_observer) > OBSERVERS_MAX:
            del self._by_observer[next(iter(self._by_observer))]

    def keep(self, observers: Collection[str]) -> None:
        """Forget what others than these said, once one of these has said something.

        Who is gone may have seen us where we no longer are.
        """
        kept = {name: one for name, one in self._by_observer.items() if name in observers}
        self._by_observer = kept or self._by_observer

    def is_translated(self, *, was: bool = False) -> bool:
        """Return whether most of them see us elsewhere than we do; what it was, if that is even."""
        translated = sum(one.is_translated for one in self._by_observer.values())
        plain = len(self._by_observer) - translated
        return translated > plain or (was and translated == plain)

    def likely(self) -> str:
        """Return the address that most of them see, or nothing; good for an attempt, no more."""
        seen = Counter(one.seen_ip for one in self._by_observer.values())
        return seen.most_common(1)[0][0] if seen else ""

    def agreed(self) -> str:
        """Return the address that OBSERVERS_MIN observers at distinct addresses see, or nothing.

        Nothing, too, where more of them see another one.
        """
        voices = {(one.seen_ip, one.observer_ip) for one in self._by_observer.values()}
        counts = Counter(seen for seen, _ in voices).most_common(2)
        if not counts or counts[0][1] < OBSERVERS_MIN:
            return ""
        is_tied = len(counts) > 1 and counts[1][1] == counts[0][1]
        return "" if is_tied else counts[0][0]


def read_ip(observed: bytes) -> str:
    """Return the IP address of an observed multiaddr of TCP.

    Raises:
        Unclear: It is not one.
    """
    try:
        address = Multiaddr(observed)
        names = [part.name for part in address.protocols()]
        if names not in (["ip4", "tcp"], ["ip6", "tcp"]):
            raise Unclear(f"not an address of TCP: {address}")
        return plain_ip(str(address.value_for_protocol(names[0])))
    except Unclear:
        raise
    except Exception as error:  # the multiaddr package raises what its codecs raise
        raise Unclear(f"not a multiaddr: {observed[:32]!r}") from error


def plain_ip(text: str) -> str:
    """Return an IP address in one spelling; IPv4 within IPv6 becomes IPv4."""
    ip = ip_address(text.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip)


async def open_stream(conn: INetConn, protocol: TProtocol) -> INetStream:
    """Return a stream over this very connection; the library chooses one of several.

    Raises:
        Exception: Whatever the library raises when it cannot be had.
    """
    stream = await conn.new_stream()
    is_open = False
    try:
        await MultiselectClient().select_one_of(
            [protocol], MultiselectCommunicator(stream), _NEGOTIATE_S
        )
        is_open = True
    finally:
        if not is_open:
            await end_stream(stream, politely=False)
    return stream


async def ask_what_is_seen(conn: INetConn) -> tuple[str, frozenset[str]]:
    """Ask over one connection; return our IP address at its other end, and what is served there.

    Raises:
        Unclear: No answer came in time, or none that makes sense.
    """
    stream = None
    try:
        with trio.fail_after(IDENTIFY_S):
            stream = await open_stream(conn, IDENTIFY)
            data = await read_varint_prefixed_bytes_limited(stream, IDENTIFY_BYTES_MAX)
    except trio.TooSlowError as error:
        raise Unclear(f"no answer in {IDENTIFY_S:g} s") from error
    except Exception as error:  # the library raises what it likes when a peer misbehaves
        raise Unclear(str(error) or type(error).__name__) from error
    finally:
        if stream is not None:
            await end_stream(stream, politely=False)
    return read_answer(data)


def read_answer(data: bytes) -> tuple[str, frozenset[str]]:
    """Return our IP address and the names of what is served, as an answer to identify has them.

    Raises:
        Unclear: It makes no sense.
    """
    answer = Identify()
    try:
        answer.ParseFromString(data)
    except DecodeError as error:
        raise Unclear(f"not an answer to identify: {data[:32]!r}") from error
    names: Iterable[object] = answer.protocols[:PROTOCOLS_MAX]
    # A name that is not UTF-8 comes as bytes, whatever the types say.
    protocols = frozenset(name for name in names if isinstance(name, str))
    return read_ip(answer.observed_addr), protocols
