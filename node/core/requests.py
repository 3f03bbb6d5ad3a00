"""What the local user asks of us: a new task, or to give one up."""

from collections.abc import Callable

from consensus.log import chain_of, find_task
from node.core.effects import Refuse, Reply
from node.core.events import Cancel, Submit
from node.core.outbox import Draftee
from node.core.own import (
    Asked,
    cancellation,
    content_key,
    find_asked,
    request_key,
    request_slot,
    retry_slot,
)
from node.core.parts import Parts
from node.core.submitter import NONCE_BYTES, Submitter
from node.core.turn import Turn
from protocol.ids import findable
from protocol.sealing import task_id_of
from protocol.statements import Task


class Requests:
    """Takes requests in, each once however often it is repeated."""

    def __init__(
        self, parts: Parts, submitter: Submitter, *, is_behind: Callable[[], bool]
    ) -> None:
        self._is_behind = is_behind
        self._me = parts.me
        self._network = parts.network
        self._settings = parts.settings
        self._outbox = parts.outbox
        self._dice = parts.dice
        self._submitter = submitter

    def submit(self, turn: Turn, event: Submit) -> None:
        """Queue a user's task, or say why not."""
        seats = self._settings.default_seats if event.seats is None else event.seats
        refusal = self._problem(seats, event)
        if refusal is not None:
            _refuse(turn, event, *refusal)
            return
        capability = event.capability
        request = request_key(event.request_id)
        content = content_key(
            [capability.task_type, capability.model_digest, event.input_bytes, seats]
        )
        waiting = self._outbox.find(request_slot(request))
        known = waiting.asked if waiting else find_asked(turn.rows, request)
        if known is not None:
            if known.content != content:
                _refuse(turn, event, 409, "request_id_used", _used(event.request_id))
            elif waiting is not None:
                waiting.tokens.append(event.token)
            else:
                turn.effects.append(Reply(event.token, known.task_id))
            return
        if self._is_behind():
            full = (
                "this node's disk limit is reached, so no answer could be stored; see --disk-limit"
            )
            _refuse(turn, event, 503, "disk_limit", full)
            return
        if self._outbox.is_full:
            busy = f"{len(self._outbox)} statements wait to be signed; try again in a second"
            _refuse(turn, event, 429, "busy", busy)
            return
        task = Task(
            self._dice(NONCE_BYTES),
            capability.task_type,
            capability.model_digest,
            event.input_bytes,
            seats,
            0,
            b"",
        )
        task_id = task_id_of(self._network.network_id, self._me, task)
        asked = Asked(request, content, task_id)
        self._outbox.add(
            turn, Draftee(task, request_slot(request), asked=asked, tokens=[event.token])
        )

    def cancel(self, turn: Turn, event: Cancel) -> None:
        """Stop seating and retrying an own task, whichever attempt; nobody else can be told."""
        submitted = find_task(turn.rows, event.task_id)
        under_way = [
            attempt
            for attempt in chain_of(turn.rows, event.task_id)
            if self._submitter.find(attempt) or self._outbox.find(retry_slot(attempt))
        ]
        shown = findable(event.task_id)
        if submitted is None:
            refusal = (404, "unknown_task", f"task {shown}: not in this node's log")
        elif submitted.author != self._me:
            refusal = (409, "not_ours", f"task {shown}: only its submitter's node can cancel it")
        elif not under_way:
            refusal = (409, "decided", f"task {shown}: nothing is left to cancel")
        else:
            for attempt in (event.task_id, *under_way):
                turn.rows.update(cancellation(attempt))
                self._submitter.forget(attempt)
            turn.effects.append(Reply(event.token, event.task_id))
            return
        turn.effects.append(Refuse(event.token, *refusal))

    def _problem(self, seats: int, event: Submit) -> tuple[int, str, str] | None:
        params = self._network.params
        if not 1 <= seats <= params.seats_max or seats % 2 == 0:
            need = f"need an odd number from 1 to {params.seats_max}"
            return 400, "bad_seats", f"seats: {seats}, {need}"
        if len(event.input_bytes) > params.input_bytes_max:
            size = len(event.input_bytes)
            return 400, "input_too_long", f"input: {size} bytes, at most {params.input_bytes_max}"
        return None


def _refuse(turn: Turn, event: Submit, status: int, code: str, message: str) -> None:
    turn.effects.append(Refuse(event.token, status, code, message))


def _used(request_id: str) -> str:
    shown = request_id if len(request_id) <= 40 else request_id[:37] + "..."
    return f"request id {shown!r}: used before for another task"
