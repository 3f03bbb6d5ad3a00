"""Writes certificates out of the log of a node."""

import trio

from consensus.certificate import Certificate
from consensus.certify import RecordsLacking, TooMuch, certify, found_by, stories_of
from node.certificate_file import FILE_BYTES_MAX, pack_certificate
from node.errors import RequestRefused
from node.hex_ids import resolve_task
from node.market import Doors
from protocol.ids import TaskId

LOOKED_PER_SLICE = 500  # records; as explanations do
LOOKED_MAX = 100_000  # for all attempts; 1.2 s in slices, with room for a day of a busy market
TRIES_MAX = 3  # a task may climb while its records are looked for; then they are looked for again


class NodeProver:
    """Implements `node.proof_port.Prover`."""

    def __init__(self, doors: Doors) -> None:
        """Take the doors of the node."""
        self._doors = doors

    async def certificate(self, task_id: str) -> bytes:
        """Write the certificate of a task and all its attempts."""
        found = resolve_task(self._doors.log, task_id)
        certificate = None if found is None else await self._prove(found)
        if certificate is None:
            raise RequestRefused(404, "unknown_task", "this node knows no such task")
        raw = pack_certificate(certificate)
        if len(raw) > FILE_BYTES_MAX:
            limit = f"a certificate may have {FILE_BYTES_MAX}"
            raise RequestRefused(409, "too_much_to_prove", f"{len(raw)} bytes, {limit}")
        return raw

    async def _prove(self, task_id: TaskId) -> Certificate | None:
        log, network = self._doors.log, self._doors.network
        lacking = ""
        for _ in range(TRIES_MAX):
            stories = stories_of(log, task_id, network)
            if not stories:
                return None
            looked = 0
            for story in stories:
                while looked < LOOKED_MAX and story.look(log, count=LOOKED_PER_SLICE):
                    looked += LOOKED_PER_SLICE
                    await trio.lowlevel.checkpoint()
            try:
                return certify(log, task_id, network, found_by(stories))
            except RecordsLacking as error:
                lacking = str(error)
            except TooMuch as error:
                raise RequestRefused(409, "too_much_to_prove", str(error)) from error
        message = f"{lacking}: its record was not found among those looked at"
        raise RequestRefused(503, "records_not_found", message)
