"""How often a full table asks who is here."""

from node.core.jobs import ALL_HERE_FOR_MS, Job, Jobs, Stage
from protocol.ids import PublicKey, TaskId
from tests.core_world import SENTIMENT

NOW_MS = 5_000
SUBMITTERS = [PublicKey(bytes([at]) * 32) for at in range(100)]


class Attendance:
    """Knows who is not here, and counts how often it was asked."""

    def __init__(self, *absent: PublicKey) -> None:
        self.absent = set(absent)
        self.asked = 0

    def is_live(self, submitter: PublicKey) -> bool:
        self.asked += 1
        return submitter not in self.absent


def a_table(*, stage: Stage = Stage.WAITING) -> Jobs:
    """Return a table with two jobs of each submitter."""
    jobs = Jobs(most=2 * len(SUBMITTERS), each_most=2)
    for number in range(2):
        for submitter in SUBMITTERS:
            task_id = TaskId(submitter[:31] + bytes([number]))
            jobs.add(Job(task_id, submitter, SENTIMENT, 3, 0, set(), stage))
    return jobs


def test_evict_absent__asks_nobody_again_for_a_second_where_all_are_here() -> None:
    jobs, attendance = a_table(), Attendance()

    evicted = [jobs.evict_absent(attendance.is_live, NOW_MS + after) for after in range(50)]

    assert not any(evicted)
    assert attendance.asked == len(SUBMITTERS)
    attendance.absent.add(SUBMITTERS[7])
    assert not jobs.evict_absent(attendance.is_live, NOW_MS + ALL_HERE_FOR_MS - 1)
    assert jobs.evict_absent(attendance.is_live, NOW_MS + ALL_HERE_FOR_MS)


def test_evict_absent__asks_each_once_however_many_make_room() -> None:
    absent = SUBMITTERS[60:]
    jobs, attendance = a_table(), Attendance(*absent)

    evicted = [jobs.evict_absent(attendance.is_live, NOW_MS) for _ in range(2 * len(absent))]

    assert all(evicted)
    assert len(jobs) == 2 * 60
    assert not any(jobs.is_crowded_by(submitter) for submitter in absent)
    assert attendance.asked <= 60 + 2 * len(absent)


def test_evict_absent__leaves_what_is_running() -> None:
    jobs = a_table(stage=Stage.RUNNING)

    assert not jobs.evict_absent(Attendance(*SUBMITTERS).is_live, NOW_MS)
    assert len(jobs) == 2 * len(SUBMITTERS)
