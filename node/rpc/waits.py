"""Waiting for a task until it is settled, woken by what happens, and now and then by a clock."""

import trio

from node.errors import RequestRefused
from node.feed import Feed
from node.ports import Market
from node.views import TaskView

WAIT_SECONDS_MAX = 60
LOOK_SECONDS = 1.0  # a split task is given up when a deadline has passed, of which nothing tells
WAITS_MAX = 12  # with the event streams these leave some connections for everything else


class Waits:
    """Everybody who waits for a task over the RPC."""

    def __init__(
        self, market: Market, feed: Feed, *, seconds_max: float = WAIT_SECONDS_MAX
    ) -> None:
        """Take the parts; however long somebody asks for, `seconds_max` is the longest."""
        self._seconds_max = seconds_max
        self._market = market
        self._feed = feed
        self._waiting = 0

    async def until_settled(self, task: TaskView, seconds: float) -> TaskView:
        """Return a task once nothing more is to be expected of it, or as it is after some time.

        Raises:
            RequestRefused: 429 if too many wait.
        """
        seconds = min(seconds, self._seconds_max)
        if task.settled or seconds <= 0:
            return task
        if self._waiting >= WAITS_MAX:
            message = f"{WAITS_MAX} requests wait for tasks, the most; ask without `wait`"
            raise RequestRefused(429, "too_many_waits", message)
        self._waiting += 1
        try:
            with trio.move_on_after(seconds):
                await self._settled(task)
        finally:
            self._waiting -= 1
        return self._market.find_task(task.task_id) or task

    async def _settled(self, task: TaskView) -> None:
        """Wait until a task is settled, or the node stops."""
        chain = {bytes.fromhex(one.task_id) for one in task.attempts}
        place = self._feed.newest
        while True:
            with trio.move_on_after(LOOK_SECONDS) as look:
                if not await self._feed.wait(place):
                    return
            found = self._feed.after(place)
            place += found.missed + len(found.events)
            touched = bool(found.missed) or look.cancelled_caught
            for _, news, _ in found.events:
                if news.parent in chain:
                    chain.add(news.task_id)
                touched = touched or news.task_id in chain
            if touched:
                now = self._market.find_task(task.task_id)
                if now is None or now.settled:
                    return
