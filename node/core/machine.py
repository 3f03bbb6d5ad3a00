"""A node's mind: told one event at a time, it answers with what is to be done.

It has no clock, no dice, no thread and no disk of its own. The daemon feeds it what really
happens; a test or a simulator feeds it whatever it likes.
"""

from collections.abc import Callable, Sequence
from functools import partial

from consensus.log import find_profile, find_task, state_digest
from consensus.rows import Rows
from consensus.verdict import SubmittedTask
from node.core.admission import Door
from node.core.adoption import Adoption, met_elsewhere
from node.core.alarms import ADOPTION, OUTBOX, PRESENCE, Alarm, Alarms
from node.core.announcer import Announcer
from node.core.effects import Channel, Differs, Effect, Halt, Publish, Relayed, Wake, Word
from node.core.events import (
    Cancel,
    CapabilitiesChanged,
    Event,
    Inferred,
    Listening,
    Now,
    PresencesHeard,
    Received,
    Room,
    SigningAllowed,
    Started,
    Stopping,
    Submit,
    Via,
    Worked,
)
from node.core.horizons import Horizons
from node.core.outbox import Draftee, Outbox
from node.core.outlook import Outlook
from node.core.own import profile_slot
from node.core.parts import Parts
from node.core.presences import Presences
from node.core.repetition import own_undecided
from node.core.requests import Requests
from node.core.settings import Settings
from node.core.submitter import ROLE as SUBMITTER
from node.core.submitter import Submitter
from node.core.turn import Turn
from node.core.worker import LOOK, Worker
from protocol.gossip import pack_gossip
from protocol.ids import Digest, PublicKey
from protocol.keys import Signer
from protocol.params import Network
from protocol.record import Verified, may_write
from protocol.sealing import task_id_of
from protocol.statements import Commit, Jury, Profile, Task


class Machine:
    """One node: its log, its words, its two roles.

    Where a network lists its members and its key is not among them, it says nothing: it keeps the
    log, and tells others of it.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        network: Network,
        rows: Rows,
        dice: Callable[[int], bytes],
        settings: Settings | None = None,
        alias: str = "",
        agent: str = "",
        last_created_ms: int = 0,
        adopts: bool = False,
        presences: Presences | None = None,
    ) -> None:
        """Assemble the roles.

        Args:
            signer: Signs everything this node says; its public key is the node.
            network: The network it belongs to.
            rows: The log and our own rows; must show every `Append` before the next event.
            dice: Returns so many random bytes; never the same ones twice.
            settings: Local choices; None for the defaults.
            alias: The nickname to be known by.
            agent: The program's name and version.
            last_created_ms: The date of our newest record, so that the next is later.
            adopts: Whether own records met elsewhere are taken in until the first signature, by
                the operator's word; else they stop the node.
            presences: Who is here, if a machine before this one knew.
        """
        chosen = settings or Settings()
        self.me = signer.public_key
        self.may_write = may_write(self.me, network)
        self.presences = presences or Presences(chosen)
        self._network = network
        self._settings = chosen
        self._rows = rows
        self._halted = False
        self._alias = alias
        self._agent = agent
        self._alarms = Alarms()
        self.door = Door(network=network, settings=chosen)
        self.outbox = Outbox(
            signer=signer,
            network=network,
            settings=chosen,
            alarms=self._alarms,
            last_created_ms=last_created_ms,
        )
        parts = Parts(
            me=self.me,
            network=network,
            settings=chosen,
            presences=self.presences,
            outbox=self.outbox,
            alarms=self._alarms,
            dice=dice,
        )
        self.worker = Worker(parts)
        self.submitter = Submitter(parts)
        self.outlook = Outlook(parts, self.submitter, self.worker)
        self._requests = Requests(parts, self.submitter, is_behind=lambda: self.is_behind)
        self._horizons = Horizons()
        self._announcer = Announcer(parts, self._horizons)
        self._adoption = Adoption(outbox=self.outbox, alarms=self._alarms, is_wanted=adopts)

    @property
    def is_behind(self) -> bool:
        """Answer whether nothing foreign is stored, for want of room."""
        return self._announcer.is_behind

    @property
    def adopts(self) -> bool:
        """Answer whether own records met elsewhere are still taken in."""
        return self._adoption.is_going_on

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """Take one event in and return what is to be done, in order."""
        if self._halted:
            return []
        turn = Turn(self._rows, now)
        self._dispatch(turn, event)
        if self._halted:  # nothing that waits may be signed now
            return turn.ended()
        for alarm in self._alarms.due(now.ms):
            self._ring(turn, alarm)
        while sealed := self.outbox.flush(turn):
            self._store(turn, sealed)  # which may lead to more to say
        next_ms = self._alarms.next_ms()
        if next_ms is not None:
            turn.effects.append(Wake(next_ms))
        return turn.ended()

    def live_presences(self, now: Now, *, most: int) -> list[bytes]:
        """Return presences as they travelled: our own, then the latest heard."""
        turn = Turn(self._rows, now)
        own = self._announcer.latest(turn, load=self.worker.load, state_digest=self._digest(turn))
        heard = sorted(
            self.presences.live(now.ms).values(), key=lambda one: one.heard_ms, reverse=True
        )
        said = [] if own is None else [own.raw]
        return [*said, *(one.raw for one in heard[: most - len(said)])]

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return how full everything is that strangers can make grow, and how full it may be."""
        return {
            **self.presences.sizes(),
            **self.worker.sizes(),
            **self.door.sizes(),
            "statements that wait": (len(self.outbox), self._settings.outbox_max),
        }

    def waits_for_ms(self, now: Now) -> int | None:
        """Return the date of a task whose next words should be here by now; None if all came."""
        waited = (self.submitter.waits_for(now.ms), self.worker.waits_for(now.ms))
        found = (find_task(self._rows, one) for one in waited if one is not None)
        return min((one.created_ms for one in found if one is not None), default=None)

    def _dispatch(self, turn: Turn, event: Event) -> None:
        """Give an event to whom it concerns; a `Woke` concerns nobody, alarms ring in any case."""
        match event:
            case Received():
                self._receive(turn, event)
            case Inferred(task_id, result):
                self.worker.inferred(turn, task_id, result)
            case Worked(ticket, work):
                self.outbox.note_work(ticket, work)
                self._announcer.note_work(turn, ticket, work)
            case PresencesHeard():
                self._hear_presences(turn, event)
            case Submit():
                self._requests.submit(turn, event)
            case Cancel():
                self._requests.cancel(turn, event)
            case Started():
                self._start(turn)
            case CapabilitiesChanged() | Listening() | Room():
                self._announcer.note(turn, event)
                if isinstance(event, CapabilitiesChanged):
                    self.worker.serve(turn, event.capabilities)
                if isinstance(event, Room):
                    self.worker.rest(turn, event.is_full)
                    self.submitter.is_behind = event.is_full
            case SigningAllowed():
                self._allow_signing(turn)
            case Stopping():
                self._announcer.leave(turn, state_digest=self._digest(turn))

    def _allow_signing(self, turn: Turn) -> None:
        if not self.may_write:
            return
        if self._adoption.is_going_on:
            self._adoption.may_end(turn)
        else:
            self.outbox.signing = True

    def _ring(self, turn: Turn, alarm: Alarm) -> None:
        if alarm == PRESENCE:
            self._announcer.speak(turn, load=self.worker.load, state_digest=self._digest(turn))
        elif alarm == OUTBOX:
            pass  # the turn ends with a flush anyway
        elif alarm == ADOPTION:
            self._adoption.end(turn)
            self._introduce(turn)
            self.outbox.signing = True
        elif alarm == LOOK:
            self.worker.look(turn)
        elif alarm.role == SUBMITTER:
            self.submitter.consider(turn, alarm.task_id)
        else:
            self.worker.consider_soon(turn, [alarm.task_id])

    def _start(self, turn: Turn) -> None:
        self._introduce(turn)
        for raw in own_undecided(turn.rows, self.me):
            self.outbox.say_again(raw)
        self.worker.resume(turn)
        self.submitter.resume(turn)
        self._announcer.soon(turn)

    def _introduce(self, turn: Turn) -> None:
        """Say by which name we go, if our last word on it was another."""
        profile = find_profile(turn.rows, self.me)
        if not self.may_write:
            return
        if profile is None or (profile.alias, profile.agent) != (self._alias, self._agent):
            sequence = 0 if profile is None else profile.sequence + 1
            said = Profile(sequence, self._alias, self._agent)
            self.outbox.add(turn, Draftee(said, profile_slot(sequence)))

    def _receive(self, turn: Turn, event: Received) -> None:
        """Take records in; all of a gossip message have one author."""
        gossiped = event.via is Via.GOSSIP
        word = Word.IGNORE
        if not gossiped or self._is_within_pace(turn, event):
            news, is_relayed = self.door.admit_all(turn, event.records)
            own = [record for record in news if record.author == self.me]
            if own and not self._adoption.is_going_on:
                if event.via is not Via.FILE:
                    self._halted = True
                    turn.effects.append(Halt(met_elsewhere(own[0])))
                    return
                news, own = [record for record in news if record.author != self.me], []
            self._adoption.take(turn, own)
            if self.is_behind:
                news = own
            if is_relayed and news:
                word = Word.ACCEPT
            if gossiped:
                self._renew(turn, news)
            self._store(turn, news)
        if event.token is not None:
            turn.effects.append(Relayed(event.token, word))

    def _is_within_pace(self, turn: Turn, event: Received) -> bool:
        author, knows = event.records[0].author, self.presences.has_spoken
        return self.door.is_within_pace(turn, author, event.sender, is_known=knows(author))

    def _renew(self, turn: Turn, records: Sequence[Verified]) -> None:
        back: list[PublicKey] = []
        for record in records:
            self.outbox.heard(record.author, turn.now.ms)
            if self.presences.renew(record.author, record.created_ms, turn.now.ms):
                back.append(record.author)
        self.submitter.see_presences(turn, back)
        self.worker.see_presences(turn, back)

    def _hear_presences(self, turn: Turn, event: PresencesHeard) -> None:
        word, relayed = Word.IGNORE, 0
        heard: list[PublicKey] = []
        back: list[PublicKey] = []
        for record in event.records:
            if record.author == self.me or not self.presences.is_news(record):
                continue
            is_known = self.presences.find(record.author) is not None
            if not self.door.is_presence_within_pace(
                turn, record.author, event.sender, is_known=is_known
            ):
                continue  # its author says it again soon
            was_live = self.presences.is_live(record.author, turn.now.ms)
            if not self.presences.hear(record, turn.now.ms, partial(find_profile, turn.rows)):
                continue
            word = Word.ACCEPT
            if not self.is_behind and self._horizons.differs(turn, record.presence):
                turn.effects.append(Differs(record.author))
            heard.append(record.author)
            if not was_live:
                back.append(record.author)
            if event.token is None and relayed < self._settings.presences_relayed_max:
                # Exchanged, not gossiped: the mesh has yet to hear it.
                turn.effects.append(Publish(Channel.PRESENCE, pack_gossip([record.raw])))
                relayed += 1
        self.submitter.see_presences(turn, heard)
        self.worker.see_presences(turn, back)
        if event.token is not None:
            turn.effects.append(Relayed(event.token, word))
        else:
            self._announcer.met(turn)

    def _store(self, turn: Turn, records: Sequence[Verified]) -> None:
        """Put records into the log and let both roles look at what they say."""
        folded = turn.fold(records, self._network)
        self._horizons.note(records, folded)
        for record in records:
            for statement in record.statements:
                if isinstance(statement, Commit):
                    task_id, commitment = statement.task_id, statement.commitment
                    self.worker.see_commit(record.author, task_id)
                    self.submitter.see_commit(turn, record.author, task_id, commitment)
                elif isinstance(statement, Jury):
                    self.worker.see_jury(turn, record.author, statement)
                elif isinstance(statement, Task):
                    self._see_task(turn, record, statement)
        for task_id in folded.rejudged:
            self.submitter.consider(turn, task_id)

    def _see_task(self, turn: Turn, record: Verified, task: Task) -> None:
        task_id = task_id_of(self._network.network_id, record.author, task)
        submitted = SubmittedTask(task_id, record.author, task, record.created_ms, record.record_id)
        if record.author == self.me:
            self.submitter.begin(turn, submitted)
        else:
            self.worker.see_task(turn, submitted)

    def _digest(self, turn: Turn) -> Digest:
        return state_digest(turn.rows)
