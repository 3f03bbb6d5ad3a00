"""Making a machine from what is on the disk: at the start, and again after the disk failed."""

import os
from collections.abc import Callable
from pathlib import Path

import trio

from node.core.machine import Machine
from node.core.own import pack_entry
from node.core.presences import Presences
from node.errors import SignedElsewhere, StoreError
from node.restore import restore, unjournaled
from node.store.files import create_file, one_line
from node.store.open import Store
from protocol.ids import findable, sha256
from protocol.params import Network
from protocol.record import signed_bytes

PROBE_NAME = "probe"
# What LevelDB writes when it is opened, and some records more; a guess with room to spare.
PROBE_BYTES = 1 << 20

# Makes a machine, given the date of our newest record and who is known to be here.
MachineMaker = Callable[[int, Presences | None], Machine]


class Recovery:
    """Knows the store and how a machine is put together."""

    def __init__(
        self, *, store: Store, network: Network, make: MachineMaker, adopts: bool = False
    ) -> None:
        """Take the parts.

        Args:
            store: What is on the disk.
            network: Whose records these are.
            make: Puts a machine together.
            adopts: Whether the operator's word holds that a journal that knows less than the log
                is the only one of its key.
        """
        self._adopts = adopts
        self._store = store
        self._network = network
        self._make = make

    def begin(self) -> Machine:
        """Make the first machine.

        Raises:
            SignedElsewhere: The log holds words of this key that the journal does not know.
            StoreDamaged: The journal holds what this program never wrote.
            StoreError: The disk refuses.
        """
        store = self._store
        strange = unjournaled(store.log, store.journal_entries, self._network)
        if strange and not self._adopts:
            first = findable(sha256(signed_bytes(strange[0].record)))
            told = f"{len(strange)} records of this key are in its log, record {first} among them"
            raise SignedElsewhere(f"{told}, but its journal does not know them")
        if strange:
            store.journal.append([pack_entry(entry) for entry in strange])
        return self._make(self._restored_ms(), None)

    def drop(self) -> None:
        """Forget every row that is not on the disk, so that readers see what was really kept."""
        self._store.log.drop_staged()

    async def again(self, before: Machine) -> Machine:
        """Make a machine in the place of another, if the disk takes writes again.

        Raises:
            StoreDamaged: What is there is not what was written.
            StoreError: It does not.
        """
        await trio.to_thread.run_sync(_probe, self._store.directory.path)
        self._store.log.reopen()  # on this thread: others read on it, and none may meanwhile
        newest_ms = await trio.to_thread.run_sync(self._restored_ms)
        return self._make(max(newest_ms, before.outbox.last_created_ms), before.presences)

    def _restored_ms(self) -> int:
        return restore(self._store.log, self._store.journal_entries, self._network)


def _probe(folder: Path) -> None:
    """Write so much that what follows will fit.

    Raises:
        StoreError: It does not fit.
    """
    path = folder / PROBE_NAME
    try:
        path.unlink(missing_ok=True)
        try:
            create_file(path, os.urandom(PROBE_BYTES))
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {one_line(error)}") from error
