"""The address where a node tells what happens, as it happens: server-sent events.

The format is that of the HTML standard, so `curl -N` and `EventSource` both read it. Every event
has an id, `RUN-NUMBER`; whoever sends the last one it saw as `Last-Event-ID` goes on from there.
"""

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated

import trio
from fastapi import APIRouter, Header, Query
from starlette.types import Receive, Scope, Send

from node.errors import RequestRefused
from node.feed import Event, Feed, News
from node.hex_ids import check_task_id
from node.news import Teller
from node.rpc.schemas import AT_MS, errors
from node.rpc.streamed import Streamed
from node.views_events import EventType, EventView, GapEvent

STREAMS_MAX = 16  # half of the connections, so that commands always find one
EVENTS_TOGETHER_MAX = 64  # written as one chunk; the reader's deadline is for one chunk
KEEP_ALIVE_SECONDS = 15.0  # a dead connection is noticed by then; proxies cut after 30 or more
WORDS_KEPT_MAX = 256  # events; whoever keeps up reads them at about the same time


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How events are streamed.

    Attributes:
        streams_max: How many read at once.
        keep_alive_seconds: How long a stream may be silent.
        pause_seconds: How long a reader that has been told all is told nothing: events gather.
    """

    streams_max: int = STREAMS_MAX
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    pause_seconds: float = 0.0


RULES = StreamRules()


class EventStream(Streamed):
    """A stream of server-sent events, refused where there is no place for its reader.

    The place is asked for only here, for nothing can come between that and giving it back: not a
    client that leaves before the first word, nor one that does not even take in the head.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        place: AbstractContextManager[None],
        status_code: int = 200,
    ) -> None:
        super().__init__(chunks, status_code)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it.

        Raises:
            RequestRefused: So many read already as may.
        """
        with self._place:
            await super().__call__(scope, receive, send)


class Filter:
    """Which events a reader wants: of certain types, or about one task and its retries."""

    def __init__(self, kinds: Sequence[EventType], task: str | None) -> None:
        self._kinds = frozenset(kinds)
        self._prefix = task
        self._retries: set[bytes] = set()

    def wants(self, news: News) -> bool:
        """Answer whether the reader is to be told."""
        if self._prefix is not None:
            if news.parent and self._is_it(news.parent):
                self._retries.add(news.task_id)  # at most as many as a task has attempts
            if not self._is_it(news.task_id):
                return False
        return not self._kinds or news.kind in self._kinds

    def _is_it(self, task_id: bytes) -> bool:
        assert self._prefix is not None, "a reader wants one task"
        return task_id in self._retries or task_id.hex().startswith(self._prefix)


def add_event_routes(router: APIRouter, teller: Teller, rules: StreamRules) -> None:
    """Add the route that streams.

    Args:
        router: Where to add it.
        teller: What happens.
        rules: How it is told.
    """
    streams = _Streams(teller, rules)

    @router.get(
        "/events",
        response_class=EventStream,
        response_model=EventView | GapEvent,
        responses=errors(400, 503),
        response_description="Each event's `data` is one of these documents.",
    )
    async def events(
        kinds: Annotated[
            list[EventType] | None,
            Query(alias="type", description="Only these types; may be repeated."),
        ] = None,
        task: Annotated[
            str | None,
            Query(description="Only this task and its retries: an id or its first digits."),
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="The last id seen: the stream goes on after it.")
        ] = None,
    ) -> EventStream:
        """Stream what happens from now on, or from the last event seen.

        A `gap` event stands where events are missing: the reader was too slow, away for too long,
        or the node was started anew. What is shown elsewhere is then to be read again.
        """
        wanted = Filter(kinds or (), None if task is None else check_task_id(task))
        place, gap = place_after(teller.feed, last_event_id)
        return EventStream(streams.follow(wanted, place, gap), streams.one_more())


def place_after(feed: Feed, last_event_id: str | None) -> tuple[int, GapEvent | None]:
    """Return after which number a reader goes on, and what it is told before if it cannot know.

    Without an id that is now. An id of another run, or that was never given, has a gap after it
    whose size nobody can know; all that is still kept is told.
    """
    if last_event_id is None:
        return feed.newest, None
    run, _, digits = last_event_id.strip().partition("-")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(feed.newest))
    if run == feed.run and is_number and int(digits) <= feed.newest:
        return int(digits), None
    return feed.oldest - 1, GapEvent("gap", None)


class _Streams:
    """Everybody who reads at one address, and what was put into words for them."""

    def __init__(self, teller: Teller, rules: StreamRules) -> None:
        self._open = 0
        self._teller = teller
        self._rules = rules
        self._words: OrderedDict[int, bytes] = OrderedDict()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a reader for as long as this lasts, and refuse one too many."""
        most = self._rules.streams_max
        if self._open >= most:
            message = f"{most} event streams are open, the most; close one, or try again"
            raise RequestRefused(503, "too_many_streams", message)
        self._open += 1
        self._teller.feed.readers += 1
        try:
            yield
        finally:
            self._open -= 1
            self._teller.feed.readers -= 1

    async def follow(
        self, wanted: Filter, place: int, gap: GapEvent | None
    ) -> AsyncGenerator[bytes]:
        feed, rules = self._teller.feed, self._rules
        # The place at once, so that a reader that loses the connection before the first event
        # can go on; an id without data is no event, but is remembered.
        yield _place(feed, place) if gap is None else _gap(feed, place, gap)
        while True:
            found = feed.after(place, limit=EVENTS_TOGETHER_MAX)
            if found.missed:
                place += found.missed
                yield _gap(feed, place, GapEvent("gap", found.missed))
            if found.events:
                place = found.events[-1].number
                told = [self._told(one) for one in found.events if wanted.wants(one.news)]
                if told:
                    yield b"".join(told)
                await trio.lowlevel.checkpoint()  # one reader must not hold the others up
                continue
            if feed.is_closed:
                return
            if rules.pause_seconds:  # what happens meanwhile is told together
                await trio.sleep(rules.pause_seconds)
            with trio.move_on_after(rules.keep_alive_seconds) as waited:
                await feed.wait(place)
            if waited.cancelled_caught:
                yield b": still here\n" + _place(feed, place)

    def _told(self, event: Event) -> bytes:
        words = self._words.get(event.number)
        if words is None:
            view = self._teller.view(event.news)
            # A reader that comes back is told much at once: when it happened, only we can say.
            document = {**asdict(view), AT_MS: event.at_ms}
            words = _framed(f"{self._teller.feed.run}-{event.number}", view.type, document)
            self._words[event.number] = words
            if len(self._words) > WORDS_KEPT_MAX:
                self._words.popitem(last=False)
        return words


def _gap(feed: Feed, place: int, gap: GapEvent) -> bytes:
    return _framed(f"{feed.run}-{place}", gap.type, asdict(gap))


def _place(feed: Feed, place: int) -> bytes:
    return f"id: {feed.run}-{place}\n\n".encode()


def _framed(event_id: str, kind: str, document: dict[str, object]) -> bytes:
    data = json.dumps(document, separators=(",", ":"))
    return f"id: {event_id}\nevent: {kind}\ndata: {data}\n\n".encode()
