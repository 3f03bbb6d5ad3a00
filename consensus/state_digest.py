"""One number that shows whether two nodes agree: a sum, so that it can follow every change.

The sum can be steered by somebody who chooses many terms, so it is an alarm; no rule acts on it.
"""

from consensus.contributions import Counters
from consensus.verdict import State
from protocol.canonical import pack
from protocol.ids import Digest, PublicKey, TaskId, sha256

TASK_TAG = b"aimarket/state/task/1\0"
PAIR_TAG = b"aimarket/state/pair/1\0"
FAULT_TAG = b"aimarket/state/fault/1\0"
_MODULUS = 2**256


def task_term(task_id: TaskId, state: State, answer: bytes) -> int:
    """Return what a known task adds, open ones included."""
    return int.from_bytes(sha256(TASK_TAG, pack([task_id, int(state), answer])))


def pair_term(submitter: PublicKey, worker: PublicKey, counters: Counters) -> int:
    """Return what a pair adds: nothing while all its counters are zero."""
    if not any(counters):
        return 0
    return int.from_bytes(sha256(PAIR_TAG, pack([submitter, worker, *counters])))


def fault_term(submitter: PublicKey, faults: int) -> int:
    """Return what a submitter's faults add: nothing while there are none."""
    if faults == 0:
        return 0
    return int.from_bytes(sha256(FAULT_TAG, pack([submitter, faults])))


def digest_of(total: int) -> Digest:
    """Turn a sum of terms, of any size or sign, into 32 bytes."""
    return Digest((total % _MODULUS).to_bytes(32))
