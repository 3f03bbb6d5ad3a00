"""The composition root: opens the doors of one node, ties them together, and closes them again."""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version

import trio

from consensus.log import state_digest
from consensus.rows import Changes
from node.archive import NodeArchive
from node.beside import RecentStates, Tellers
from node.clock import Clock
from node.config import Config
from node.core.effects import Channel
from node.core.events import CapabilitiesChanged, Started
from node.core.machine import Machine
from node.core.presences import Presences
from node.core.settings import Settings
from node.disk import watch_disk
from node.errors import SignedElsewhere, first_of
from node.exchange import PRESENCES_MAX
from node.explain.differ import NodeDiffer
from node.explain.service import NodeExplainer
from node.feed import Feed
from node.gate import RecordGate
from node.inference.service import InferenceLimits, InferenceService
from node.instruments import Instruments
from node.introduction import introduction
from node.joining import PEER_BOOK_NAME, Ear, learn_addresses, look_around, open_joiner
from node.keys import NodeKey
from node.listening import default_listen
from node.loop import Loop
from node.market import Doors, NodeMarket
from node.meter import NodeMeter
from node.net.host import NetHost
from node.news import Reporter
from node.opening import open_node
from node.ports import Net
from node.prover import NodeProver
from node.readiness import take_readiness
from node.recovery import Recovery
from node.rpc.offer import offer_rpc
from node.rpc.token import FILE_NAME
from node.sampler import Sampler
from node.services import Services
from node.stopping import end_by_force
from node.store.halted import advice, end_adoption, is_adopting, note_halt
from node.store.open import Store
from node.sync import Sync
from node.views_events import NodeEvent
from node.whereabouts import tell_addresses
from node.work import Work, choose_work
from protocol.ids import PeerId, PublicKey
from protocol.record import Verified
from protocol.topics import topics_of

logger = logging.getLogger(__name__)

GOODBYE_S = 0.5  # for the last presence to reach the wire
RUN_BYTES = 4  # names this run of the node to those who follow its events
VERSION = version("aimarket")


async def run_node(config: Config, *, say: Callable[[str], None]) -> None:
    """Run one node until it is told to stop.

    Args:
        config: What the operator chose.
        say: Tells the operator a line worth keeping: addresses, and what to do next.

    Raises:
        OperatorError: What the operator can mend, in one line.
        StoreError: The disk failed.
    """
    work = choose_work(config)  # before the directory is made: a mistyped name leaves nothing
    opened = open_node(config)
    try:
        await _Node(opened.config, work, opened.key, opened.store, say).run()
    except (SignedElsewhere, BaseExceptionGroup) as error:
        halted = BaseExceptionGroup("", [error]).subgroup(SignedElsewhere)
        if halted is None:
            raise
        reason = str(first_of(halted))
        with suppress(OSError):  # a full disk: the next start meets the same record again
            note_halt(config.directory, reason)
        raise SignedElsewhere(f"{reason}; {advice(config.node_id)}") from error
    finally:
        opened.store.close()


class _Node:
    """The parts of one node, from its constructor on; nothing runs before `run`."""

    def __init__(
        self,
        config: Config,
        work: Work,
        key: NodeKey,
        store: Store,
        say: Callable[[str], None],
    ) -> None:
        self._config = config
        self._key = key
        self._store = store
        self._say = say
        self._joining = ""
        self._capable = trio.Event()
        self._readiness = take_readiness(os.environ)
        network = config.network
        self._topics = topics_of(network.network_id)
        recovery = Recovery(
            store=store,
            network=network,
            make=self._make_machine,
            adopts=is_adopting(config.directory),
        )
        self._clock = Clock()
        self._states, self._tellers = RecentStates(state_digest(store.log)), Tellers()
        measured = Instruments(key.signer.public_key, [t.task_type.name for t in work.task_types])
        self._reporter = Reporter(
            Feed(os.urandom(RUN_BYTES).hex()),
            store.log,
            me=key.signer.public_key,
            condition=self._condition,
        )
        self._inference = InferenceService(
            task_types=work.task_types,
            model_dirs=work.model_dirs,
            limits=InferenceLimits(
                input_bytes_max=network.params.input_bytes_max,
                answer_bytes_max=network.params.answer_bytes_max,
            ),
            changed=self._note_capable,
            batches=measured.batches,
        )
        self._loop = Loop(
            machine=recovery.begin(),
            log=store.log,
            journal=store.journal,
            publish=self._publish,
            inference=self._inference,
            clock=self._clock,
            differs=self._note_difference,
            recovery=recovery,
            adopted=self._note_adopted,
            stepped=self._note_step,
            instruments=measured,
        )
        self._sync = Sync(
            loop=self._loop,
            log=store.log,
            net=lambda: self._net,
            network=network,
            topics=self._topics,
            live_presences=lambda: self._loop.machine.live_presences(
                self._clock.now(), most=PRESENCES_MAX
            ),
            chosen=lambda: self._joiner.chosen(),  # noqa: PLW0108 - it is made further down
            signing_allowed=key.fresh,
            torn=self._has_known_peers() if self._loop.machine.adopts else store.torn,
            sessions=measured.sessions,
        )
        answerers = self._sync.answerers()
        answerers[self._topics.leaderboard_stream] = self._answer_leaderboard
        self._host = NetHost(
            seed=key.seed,
            listen=config.listen or (default_listen(say),),
            announce=config.announce,
            topics=(self._topics.records, self._topics.presence),
            gate=RecordGate(
                loop=self._loop,
                log=store.log,
                network=network,
                topics=self._topics,
                rejected=measured.rejected,
                heard_from=self._hear,
            ),
            answerers=answerers,
            watcher=self._watch,
            is_relay=config.relay,
        )
        self._net: Net = self._host
        self._joiner = open_joiner(
            config,
            self._host,
            self._clock,
            me=key.signer.public_key,
            topics=self._topics,
            report=self._report_joining,
        )
        self._ear = Ear(self._joiner, self._clock)
        doors = Doors(
            loop=self._loop,
            log=store.log,
            net=self._net,
            inference=self._inference,
            sync=self._sync,
            network=network,
            topics=self._topics,
            clock=self._clock,
            counters=self._host.stats,
            states=self._states,
            tellers=self._tellers,
            joining=lambda: self._joining,
            has_bootstrap=bool(config.bootstrap),
            default_type=next(iter(config.task_types), ""),
            version=VERSION,
        )
        self._market = NodeMarket(doors)
        self._meter = NodeMeter(
            doors,
            measured,
            folder=config.directory,
            disk_limit_bytes=config.disk_limit_bytes,
            standings=self._market.standings,
            condition=self._market.condition,
        )
        self._sampler = Sampler(doors, measured)
        self._services = Services(
            market=self._market,
            reporter=self._reporter,
            explainer=NodeExplainer(doors, self._market.standings),
            differ=NodeDiffer(doors, self._market.standings),
            meter=self._meter,
            prover=NodeProver(doors),
            archive=NodeArchive(self._loop, store.log, network, node_id=config.node_id),
            history=self._sampler,
        )

    async def run(self) -> None:
        """Open for business, until a signal says otherwise."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                await self._loop.tell(Started())
                await nursery.start(self._host.run)
                await nursery.start(self._loop.run)
                await nursery.start(self._sync.run)
                await nursery.start(self._inference.run)
                nursery.start_soon(self._tell_capabilities)
                nursery.start_soon(learn_addresses, self._joiner, self._loop)
                nursery.start_soon(watch_disk, self._config, self._loop)
                nursery.start_soon(self._meter.run)
                nursery.start_soon(self._sampler.run)
                await nursery.start(tell_addresses, self._net, self._loop, self._joiner.moved)
                await nursery.start(self._joiner.run)
                nursery.start_soon(look_around, self._config, self._net, self._joiner)
                rpc = await nursery.start(
                    partial(
                        offer_rpc,
                        self._services,
                        folder=self._config.directory,
                        node_id=self._config.node_id,
                        port=self._config.rpc_port,
                        token_file=self._config.rpc_token_file,
                        open_reads=self._config.rpc_open_reads,
                        dashboard_public=self._config.dashboard_public,
                    )
                )
                for line in introduction(
                    self._config,
                    peer_id=self._net.peer_id,
                    addresses=self._net.addresses(),
                    rpc_url=rpc.url,
                    public_url=rpc.public_url,
                    token_file=self._config.directory / FILE_NAME,
                ):
                    self._say(line)
                self._readiness.serving(f"{self._config.node_id} serves at {rpc.url}")
                nursery.start_soon(self._readiness.stay_alive)
                async for _ in signals:
                    break
                nursery.start_soon(end_by_force, signals)
                self._readiness.stopping()
                logger.info("stopping")
                self._reporter.feed.close()
                with trio.move_on_after(GOODBYE_S):
                    await self._loop.stop()
                nursery.cancel_scope.cancel()

    def _has_known_peers(self) -> bool:
        """Answer whether there are others, be it that none can be reached now."""
        return bool(self._config.bootstrap) or (self._config.directory / PEER_BOOK_NAME).exists()

    def _make_machine(self, newest_ms: int, presences: Presences | None) -> Machine:
        config = self._config
        return Machine(
            signer=self._key.signer,
            network=config.network,
            rows=self._store.log,
            dice=os.urandom,
            settings=Settings(default_seats=config.seats),
            alias=config.node_id,
            agent=f"aimarket/{VERSION}",
            last_created_ms=newest_ms,
            adopts=is_adopting(config.directory),
            presences=presences,
        )

    async def _publish(self, channel: Channel, data: bytes) -> None:
        topics = self._topics
        topic = topics.records if channel is Channel.RECORDS else topics.presence
        await self._net.publish(topic, data)

    async def _answer_leaderboard(self, peer_id: PeerId, request: bytes) -> bytes:
        return await self._market.answer_leaderboard(peer_id, request)

    def _watch(self, peer_id: PeerId, here: bool) -> None:
        self._sync.watch(peer_id, here)
        self._reporter.note_peer(peer_id, here)
        self._joiner.look()

    def _hear(self, record: Verified, teller: PeerId) -> None:
        self._ear.note(record, teller)
        self._tellers.note(record, teller)

    def _note_step(self, written: Sequence[Changes]) -> None:
        self._states.note_step(written, self._clock.now().ms)
        self._reporter.note_step(written)

    def _condition(self) -> NodeEvent:
        return self._market.condition()

    def _report_joining(self, line: str) -> None:
        self._joining = line
        logger.info("%s", line)

    def _note_difference(self, author: PublicKey) -> None:
        self._sync.differs(author)

    def _note_adopted(self) -> None:
        end_adoption(self._config.directory)
        logger.info("what this key said elsewhere is taken in; signing again")

    def _note_capable(self) -> None:
        self._capable.set()

    async def _tell_capabilities(self) -> None:
        while True:
            await self._loop.tell(CapabilitiesChanged(self._inference.capabilities()))
            await self._capable.wait()
            self._capable = trio.Event()
