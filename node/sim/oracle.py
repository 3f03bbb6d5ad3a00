"""What must hold after every run, once the weather has cleared up: the promises of the protocol."""

from collections.abc import Iterator, Sequence

from consensus import layout
from consensus.log import (
    find_record,
    find_verdict,
    has_record,
    record_count,
    record_ids,
    retries_of,
    state_digest,
)
from consensus.range_sums import ROOT
from consensus.replay import replay
from consensus.verdict import State
from node.sim.host import Host
from node.sim.users import Order
from node.sim.world import World
from protocol.ids import RecordId, TaskId


def problems(world: World, *, all_final: bool = True) -> list[str]:
    """Return every promise that is broken now, one line each; none if all is well.

    Args:
        world: After it healed, and had time.
        all_final: Whether every task of an honest submitter must have its verdict.
    """
    honest = [host for host in world.hosts if host.is_honest and not host.halted]
    return [
        *world.oracle.violations,
        *_halted(world),
        *_unequal(honest),
        *_wrongly_counted(world, honest),
        *_lost(world, honest),
        *_blamed(world),
        *_too_large(honest),
        *(_unsettled(world) if all_final else ()),
    ]


def are_equal(hosts: Sequence[Host]) -> bool:
    """Answer whether some logs are the same."""
    if len({host.rows.get(ROOT) for host in hosts}) > 1:
        return False
    return all(_order(host) == _order(hosts[0]) for host in hosts[1:])


def last_attempt(host: Host, task_id: TaskId) -> TaskId:
    """Return the last of a task and its retries, as a host knows them."""
    while True:
        after = sorted(retries_of(host.rows, task_id))
        if not after:
            return task_id
        task_id = after[0]


def _order(host: Host) -> list[bytes]:
    """Return the places of all records of a log; those of two logs are the same objects."""
    return host.rows.keys(layout.ORDER)


def _halted(world: World) -> Iterator[str]:
    for host in world.hosts:
        if host.is_honest and host.halted:
            yield f"{host.name} stopped for good: {host.halted}"


def _unequal(honest: Sequence[Host]) -> Iterator[str]:
    if not are_equal(honest):
        counts = {host.name: record_count(host.rows) for host in honest}
        yield f"logs differ: records by host {counts}"
        return
    if any(record_count(host.rows) == 0 for host in honest):
        yield "logs are empty"
    digests = {state_digest(host.rows) for host in honest}
    if len(digests) > 1:
        yield f"equal logs have {len(digests)} different state digests"


def _wrongly_counted(world: World, honest: Sequence[Host]) -> Iterator[str]:
    """Hold one log of each kind against the slow recount."""
    known: list[tuple[list[bytes], bytes]] = []
    for host in honest:
        order = _order(host)
        recount = next((digest for held, digest in known if held == order), None)
        if recount is None:
            raws = [find_record(host.rows, record_id) for _, record_id in record_ids(host.rows)]
            records = [world.opened(raw) for raw in raws if raw is not None]
            recount = replay(records, world.network).digest
            known.append((order, recount))
        if recount != state_digest(host.rows):
            yield f"{host.name}: its state digest is not what the slow recount comes to"


def _lost(world: World, honest: Sequence[Host]) -> Iterator[str]:
    for order in world.users.orders:
        if order.task_id is None or not world.hosts[order.host].is_honest:
            continue
        missing = [host.name for host in honest if not _has_task(host, order.task_id)]
        if missing:
            yield f"task {order.task_id.hex()[:8]} was accepted, but {missing} lack it"


def _has_task(host: Host, task_id: TaskId) -> bool:
    verdict = find_verdict(host.rows, task_id)
    return verdict is not None


def _blamed(world: World) -> Iterator[str]:
    for (host, peer), reason in world.blamed.items():
        if world.hosts[host].is_honest and world.hosts[peer].is_honest:
            yield f"{world.hosts[host].name} blames {world.hosts[peer].name}: {reason}"


def _too_large(honest: Sequence[Host]) -> Iterator[str]:
    for host in honest:
        if host.machine is None:
            continue
        for name, (size, most) in host.machine.sizes().items():
            if size > most:
                yield f"{host.name}: {name} holds {size}, at most {most}"


def _unsettled(world: World) -> Iterator[str]:
    for order in world.users.orders:
        host = world.hosts[order.host]
        if not host.is_honest or host.halted or order.refused:
            continue
        if order.task_id is None:
            yield f"{order.request_id} at {host.name} was never accepted"
        elif not is_settled(host, order):
            verdict = find_verdict(host.rows, last_attempt(host, order.task_id))
            state = verdict.state.name.lower() if verdict else "unknown"
            yield f"task {order.task_id.hex()[:8]} of {host.name} is {state}"


def is_settled(host: Host, order: Order) -> bool:
    """Answer whether a user got a final answer, be it of a later attempt."""
    if order.task_id is None:
        return False
    found = [order.task_id]
    for task_id in found:
        verdict = find_verdict(host.rows, task_id)
        if verdict is not None and verdict.state is State.FINAL:
            return True
        found.extend(retries_of(host.rows, task_id))
    return False


def holds(host: Host, record_id: RecordId) -> bool:
    """Answer whether a host has a record."""
    return has_record(host.rows, record_id)
