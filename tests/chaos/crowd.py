"""Strangers of one address who take all they can get at one node's door.

Run as `python -m tests.chaos.crowd HOST PORT PEER_ID IDLE SLOW WHOLE` where the address of this
machine is theirs: so many whole handshakes first, whose connections are kept, then so many sockets
that say nothing and so many that say a byte a second, one anew for each that is closed. Prints how
many handshakes were let in and how many were not; ends when it is killed.
"""

import sys

import trio

from tests.loopback.intruder import Target
from tests.loopback.test_crowded_door import come_whole, dribble, stand_idle
from tests.node.net_hosts import until

LANES = 4  # handshakes at a time; more would be half-open ones
COME_WITHIN_S = 60.0


async def main(target: Target, idle: int, slow: int, whole: int) -> None:
    come = [0, 0]
    async with trio.open_nursery() as nursery:
        for _ in range(LANES):
            nursery.start_soon(come_whole, target, whole // LANES, come)
        await until(lambda: sum(come) >= whole, within_s=COME_WITHIN_S)
        nursery.start_soon(stand_idle, target, idle)
        nursery.start_soon(dribble, target, slow)
        print(*come, flush=True)


if __name__ == "__main__":
    trio.run(main, Target(sys.argv[1], int(sys.argv[2]), sys.argv[3]), *map(int, sys.argv[4:]))
