"""Which tasks of a healed world have come to an end, and which should have."""

from consensus import layout
from consensus.log import find_verdict, record_count
from consensus.verdict import State
from node.sim.host import Host
from node.sim.oracle import is_settled, last_attempt
from node.sim.users import Order
from node.sim.world import World


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
        elif not is_settled(host, order) and not _may_be_split(world, host, order):
            last = last_attempt(host, order.task_id)
            verdict = find_verdict(host.rows, last)
            state = verdict.state.name.lower() if verdict else "unknown"
            found.append(f"task {order.task_id.hex()[:8]} of {host.name} is {state} at the end")
    return found


def _may_be_split(world: World, host: Host, order: Order) -> bool:
    """Answer whether a task has a right to end split: its last jury really disagreed.

    Jurors that all opened, or lie, and of whom somebody opened what is not true: then the protocol
    leaves it to the submitter's user, unless a larger jury can be had.
    """
    assert order.task_id is not None, "it was accepted"
    verdict = find_verdict(host.rows, last_attempt(host, order.task_id))
    if verdict is None or verdict.state is not State.SPLIT:
        return False
    truth = world.models.truth(order.input_bytes)
    opened = [vote.result.answer.value for vote in verdict.votes if vote.result is not None]
    return any(answer != truth for answer in opened)


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
