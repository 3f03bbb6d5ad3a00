"""Message ids: what a gossip message is called, and which ones came by before."""

from collections import OrderedDict
from collections.abc import Callable

from libp2p.pubsub.mcache import CacheEntry, MessageCache
from libp2p.pubsub.pb import rpc_pb2

from protocol.gossip import message_id


def content_id(message: rpc_pb2.Message) -> bytes:
    """Name a message by where and what it says, whatever its envelope; it has one topic."""
    return message_id("\0".join(message.topicIDs), message.data)


class Seen:
    """Remembers ids for a while, and never more than so many.

    Stands in for the cache of the library, which keeps a thread, has no bound, and lets whoever
    repeats an id extend its life.
    """

    def __init__(self, *, lifetime_s: float, ids_max: int, clock: Callable[[], float]) -> None:
        self._lifetime_s = lifetime_s
        self._ids_max = ids_max
        self._clock = clock
        self._first_seen_s: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._first_seen_s)

    def add(self, message_id: bytes) -> bool:
        """Remember an id; return whether it is new."""
        if self.has(message_id):
            return False
        self._first_seen_s[message_id] = self._clock()
        while len(self._first_seen_s) > self._ids_max:
            self._first_seen_s.popitem(last=False)
        return True

    def has(self, message_id: bytes) -> bool:
        """Return whether the id came by within its lifetime."""
        oldest_s = self._clock() - self._lifetime_s
        while self._first_seen_s and next(iter(self._first_seen_s.values())) <= oldest_s:
            self._first_seen_s.popitem(last=False)
        return message_id in self._first_seen_s

    def stop(self) -> None:
        """Do nothing: there is no thread to stop."""


class ContentCache(MessageCache):
    """The router's recent messages, under the same ids as everywhere else.

    The library would file them under author and sequence number: no advertised id would ever match
    one that was seen, and every message would be asked for again.
    """

    def put(self, msg: rpc_pb2.Message) -> None:
        """Keep a message for the next heartbeats."""
        message_id = content_id(msg)
        if message_id in self.msgs:
            return
        self.msgs[message_id] = msg
        self.history[0].append(CacheEntry(message_id, msg.topicIDs))
