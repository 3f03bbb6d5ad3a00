"""How all logs become equal, whatever gossip lost: meets peers, runs sessions, says how far it is.

`node.core.sync` decides when and with whom, `sync_session` asks, `sync_answers` is asked.
"""

import logging
import os
import random
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import trio

from bootstrap.mistakes import Mistakes
from node.core.events import SigningAllowed
from node.core.first_word import Candidate, FirstWord
from node.core.sync import Outcome, Session, SyncPlanner
from node.errors import NetError, StoreDamaged, StoreError
from node.exchange import SALT_BYTES
from node.gate import CHECKS_AT_ONCE_MAX
from node.loop import Loop
from node.metering import Tally
from node.names import peer_id_of
from node.ports import Answerer, Log, Net
from node.sync_answers import SyncAnswers
from node.sync_items import SyncItems
from node.sync_limits import LOOK_S, TOLD_EVERY_S, TOLD_RECORDS_MIN
from node.sync_presences import PresenceExchange
from node.sync_session import SyncSession
from node.views import SyncView
from protocol.errors import ProtocolError
from protocol.ids import PeerId, PublicKey
from protocol.params import Network
from protocol.topics import Topics

if TYPE_CHECKING:
    from trio_typing import TaskStatus

logger = logging.getLogger(__name__)

MUTE_S = 5.0  # a peer that does not gossip with us for so long is compared with all the same
GREETINGS_MAX = 16  # at once; the rest wait
GREETED_WAITING_MAX = 256


class Sync:
    """Compares logs with peers and moves what is missing, both ways."""

    def __init__(
        self,
        *,
        loop: Loop,
        log: Log,
        net: Callable[[], Net],
        network: Network,
        topics: Topics,
        live_presences: Callable[[], Sequence[bytes]],
        chosen: Callable[[], Collection[PeerId]],
        signing_allowed: bool,
        torn: bool = False,
        sessions: Tally | None = None,
    ) -> None:
        """Take the doors.

        Args:
            loop: Takes what was fetched.
            log: Tells what is here.
            net: Returns the network, once it is up.
            network: Whose records these are.
            topics: The names of the streams.
            live_presences: Returns what is told to a new peer.
            chosen: Returns whom we dialled by our own choice, not because a stranger told us to.
            signing_allowed: Whether this key may sign before anything was compared.
            torn: Whether the end of the journal was lost, so that being alone proves nothing.
            sessions: Counts sessions by how they ended.
        """
        self.completed = 0  # sessions over the whole log
        self.may_sign = signing_allowed and not torn
        self._first_word = FirstWord(_now_ms(), may_be_alone=not torn)
        self._sessions = sessions or Tally()
        self._mistakes = Mistakes()
        self._loop = loop
        self._log = log
        self._net = net
        self._network = network
        self._topics = topics
        self._presences = PresenceExchange(
            loop=loop, network=network, live_presences=live_presences
        )
        self._chosen = chosen
        self._checks = trio.CapacityLimiter(CHECKS_AT_ONCE_MAX)
        self.turn = trio.Lock()  # whoever asks a peer to compare holds it: one at a time
        self.items = SyncItems(loop, log)
        self._planner = SyncPlanner(random.randrange, _now_ms())
        self._answers = SyncAnswers(
            loop=loop,
            log=log,
            items=self.items,
            network=network,
            checks=self._checks,
            is_dialled=self._planner.is_dialled,
            asked=lambda peer_id: self._planner.asked(peer_id, _now_ms()),
            fills=lambda peer_id: self._planner.fills(peer_id, _now_ms()),
            wrong=self._hang_up,
        )
        self._running: SyncSession | None = None
        self._fetched = self._pushed = 0  # in sessions that ended
        self._level_with = ""
        self._level_s: float | None = None
        self._news = trio.Event()
        self._send, self._greeted = trio.open_memory_channel[PeerId](GREETED_WAITING_MAX)
        self._greetings = trio.CapacityLimiter(GREETINGS_MAX)

    @property
    def fetched(self) -> int:
        """Return how many records came by sync, asked for or pushed."""
        running = self._running.progress.fetched if self._running else 0
        return self._fetched + running + self._answers.received

    def view(self) -> SyncView:
        """Return how far the sync is."""
        session, running = self._planner.session, self._running
        progress = running.progress if running else None
        is_moving = progress is not None and progress.expected > 0
        level_s = self._level_s
        return SyncView(
            state="idle" if progress is None else "moving" if is_moving else "comparing",
            peer_id=session.peer if session else "",
            moved=progress.moved if progress else 0,
            expected=progress.expected if progress else 0,
            sessions=self.completed,
            fetched=self.fetched,
            pushed=self._pushed + (progress.pushed if progress else 0),
            level_with=self._level_with,
            level_s_ago=None if level_s is None else int(trio.current_time() - level_s),
        )

    def answerers(self) -> dict[str, Answerer]:
        """Return who answers on which stream protocol."""
        streams = self._answers.answerers(self._topics)
        return {**streams, self._topics.presence_stream: self._presences.answer}

    def watch(self, peer_id: PeerId, here: bool) -> None:
        """Note that a peer came or left; never waits."""
        if not here:
            self._planner.left(peer_id)
            return
        outbound = any(p.outbound for p in self._net().peers() if p.peer_id == peer_id)
        self._planner.came(peer_id, _now_ms(), outbound=outbound)
        self._look()
        try:
            self._send.send_nowait(peer_id)
        except trio.WouldBlock:
            logger.info("too many peers at once; one is not greeted", extra={"peer": str(peer_id)})

    def differs(self, author: PublicKey) -> None:
        """Note that an author's presence tells of another log than ours."""
        self._planner.differs(peer_id_of(author))
        self._look()

    async def run(self, *, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled."""
        if self.may_sign:
            await self._loop.tell(SigningAllowed())
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._greet_all, nursery)
            nursery.start_soon(self._await_first_word)
            nursery.start_soon(self._meet_the_mute)
            while True:
                self._news = trio.Event()
                async with self.turn:
                    session = await self._next_session()
                    if session is not None:
                        await self._run_session(session)
                        continue
                self.items.forget()
                self._answers.forget()
                now_ms = _now_ms()  # once: what is later than that is no wait behind us
                wait_s = (self._planner.look_at_ms(now_ms) - now_ms) / 1_000
                with trio.move_on_after(min(wait_s, LOOK_S)):
                    await self._news.wait()

    async def _next_session(self) -> Session | None:
        """Return what to begin now; a node that can store nothing only answers."""
        if not self._loop.takes_records:
            return None
        try:
            waits_for_ms = self._loop.machine.waits_for_ms(self._loop.now())
        except StoreDamaged:
            raise
        except StoreError as error:
            await self._loop.suspend(str(error))
            return None
        return self._planner.next(_now_ms(), waits_for_ms=waits_for_ms, meets_all=not self.may_sign)

    async def _run_session(self, session: Session) -> None:
        self._running = SyncSession(
            session,
            ask=self._net().ask,
            loop=self._loop,
            log=self._log,
            items=self.items,
            network=self._network,
            topics=self._topics,
            checks=self._checks,
            salt=os.urandom(SALT_BYTES),
            mistakes=self._mistakes,
        )
        outcome = Outcome.FAILED
        chosen = self._chosen_here()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tell_progress, self._running)
                outcome = await self._running.run()
                nursery.cancel_scope.cancel()
        finally:
            progress, self._running = self._running.progress, None
            self._fetched += progress.fetched
            self._pushed += progress.pushed
            self._planner.ended(outcome, _now_ms())
            self._sessions.add(outcome.value)
        if progress.moved:
            logger.info(
                "sync: fetched %d, pushed %d records",
                progress.fetched,
                progress.pushed,
                extra={"peer": str(session.peer)},
            )
        if session.is_full:
            told = progress.fetched > 0
            chosen |= self._chosen_here()  # joining may hear of a connection after we do
            self._first_word.ended(
                session.peer, outcome, _now_ms(), told=told, chosen=session.peer in chosen
            )
        if outcome is Outcome.WRONG:
            await self._hang_up(session.peer)
        elif outcome in (Outcome.EQUAL, Outcome.MOVED, Outcome.REFUSED) and session.is_full:
            self.completed += 1
            if outcome is not Outcome.REFUSED:
                self._level_with, self._level_s = session.peer, trio.current_time()
        await self._sign_if_allowed()

    async def _tell_progress(self, running: SyncSession) -> None:
        while True:
            await trio.sleep(TOLD_EVERY_S)
            done = running.progress
            if done.expected >= TOLD_RECORDS_MIN:
                logger.info("sync: %d of %d records so far", done.moved, done.expected)

    async def _await_first_word(self) -> None:
        self._first_word.begin(_now_ms())
        while not self.may_sign:
            if not self._loop.takes_records:
                self._first_word.begin(_now_ms())
            await self._sign_if_allowed()
            await trio.sleep(LOOK_S)

    async def _sign_if_allowed(self) -> None:
        if self.may_sign:
            return
        chosen = self._chosen_here()
        here = [
            Candidate(peer.peer_id, peer.peer_id in chosen, self._planner.knows(peer.peer_id))
            for peer in self._net().peers()
        ]
        if self._first_word.look(here, _now_ms()):
            self.may_sign = True
            await self._loop.tell(SigningAllowed())

    def _chosen_here(self) -> set[PeerId]:
        dialled = {peer.peer_id for peer in self._net().peers() if peer.outbound}
        return dialled.intersection(self._chosen())

    async def _meet_the_mute(self) -> None:
        """Compare logs also with whom we dialled and who does not gossip with us.

        Of two copies of one node, peers gossip with the one they met first. The other must meet
        what that one says, and stop.
        """
        mute: set[PeerId] = set()
        while True:
            await trio.sleep(MUTE_S)
            peers = self._net().peers()
            dialled = {peer.peer_id for peer in peers if peer.outbound}
            here = {peer.peer_id for peer in peers}
            for peer_id in mute - here:
                self._planner.left(peer_id)
            mute &= here
            for peer_id in dialled:
                if not self._planner.knows(peer_id):
                    self._planner.came(peer_id, _now_ms(), outbound=True)
                    mute.add(peer_id)

    async def _greet_all(self, nursery: trio.Nursery) -> None:
        """Greet whoever came, each once at a time: who comes again and again holds one place."""
        async for peer_id in self._greeted:
            if peer_id not in self._greetings.statistics().borrowers:
                await self._greetings.acquire_on_behalf_of(peer_id)
                nursery.start_soon(self._greet, peer_id)

    async def _greet(self, peer_id: PeerId) -> None:
        """Tell a new peer who is here, and hear the same from it."""
        try:
            if self._loop.outage:  # then nothing may be read either
                return
            request = self._presences.told()
            answer = await self._net().ask(peer_id, self._topics.presence_stream, request)
            await self._presences.take(peer_id, answer)
        except (NetError, ProtocolError) as error:
            logger.info("no presences: %s", error, extra={"peer": str(peer_id)})
        except StoreDamaged:
            raise
        except StoreError as error:
            await self._loop.suspend(str(error))
        finally:
            self._greetings.release_on_behalf_of(peer_id)

    async def _hang_up(self, peer_id: PeerId) -> None:
        logger.warning(
            "hanging up: what a peer sent in sync is wrong", extra={"peer": str(peer_id)}
        )
        await self._net().hang_up(peer_id)

    def _look(self) -> None:
        self._news.set()


def _now_ms() -> int:
    return int(trio.current_time() * 1_000)
