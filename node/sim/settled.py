"""Which tasks of a healed world have come to an end, and which should have."""

from consensus import layout
from consensus.log import chain_of, find_task, find_verdict, record_count
from consensus.verdict import State, quorum_of
from node.sim.host import Host
from node.sim.oracle import is_settled, last_attempt
from node.sim.storm import Exposed
from node.sim.users import Order
from node.sim.world import World
from protocol.ids import TaskId


def unsettled(world: World) -> list[str]:
    """Return the tasks of honest submitters that came to nothing though they need not have."""
    found = []
    for order in world.users.orders:
        host = world.hosts[order.host]
        if not host.is_honest or host.halted:
            continue
        if order.refused:
            found.append(f"{order.request_id} at {host.name} was refused: {order.refused}")
        elif order.task_id is None:
            found.append(f"{order.request_id} at {host.name} was never accepted")
        elif not is_settled(host, order):
            last = last_attempt(host, order.task_id)
            if _may_end_so(world, host, order, last):
                continue
            verdict = find_verdict(host.rows, last)
            state = verdict.state.name.lower() if verdict else "unknown"
            found.append(f"task {order.task_id.hex()[:8]} of {host.name} is {state} at the end")
    return found


def _may_end_so(world: World, host: Host, order: Order, last: TaskId) -> bool:
    """Answer whether the last attempt at a task has a right to end without an answer.

    It is split, and somebody opened what is not true: a larger jury is asked only if there is one.
    It is seated with a liar who never opens, and cannot be tried again: too often, or with too few.
    Or it is open, and fewer workers than a quorum needs are left whose model did not fail on it.
    """
    verdict, submitted = find_verdict(host.rows, last), find_task(host.rows, last)
    if verdict is None or submitted is None:
        return False
    if verdict.state is State.SPLIT:
        truth = world.models.truth(order.input_bytes)
        opened = [vote.result.answer.value for vote in verdict.votes if vote.result is not None]
        return any(answer != truth for answer in opened)
    others = [one for one in world.hosts if one is not host]
    if verdict.state is State.OPEN:
        left = [one for one in others if not (isinstance(one, Exposed) and one.gave_up(last))]
        return len(left) < quorum_of(submitted.task.seats)
    absent = {vote.juror for vote in verdict.votes if vote.result is None}
    if not absent.intersection(one.key for one in others if not one.is_honest):
        return False
    is_last = submitted.task.attempt >= world.network.params.attempts_max
    earlier = [find_verdict(host.rows, one) for one in chain_of(host.rows, last)]
    absent.update(vote.juror for one in earlier if one for vote in one.votes if vote.result is None)
    left = [one for one in others if one.key not in absent]
    return is_last or len(left) < quorum_of(submitted.task.seats)


def count_states(world: World) -> None:
    """Count what only shows in the log at the end."""
    honest = [host for host in world.hosts if host.is_honest]
    fullest = max(honest, key=lambda host: record_count(host.rows))
    for _, value in fullest.rows.scan(layout.JUDGED):
        state = layout.read_judged(value).state
        if state is State.SPLIT:
            world.counts.saw("a task was split")
        elif state is State.VOID:
            world.counts.saw("a task was void")
