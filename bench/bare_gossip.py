"""One process with py-libp2p's own GossipSub and nothing of ours, to be measured beside our nodes.

Stock but for a heartbeat of one second (the default is two minutes). Prints its address, takes the
addresses to dial as one line of JSON, publishes at a rate for some seconds, waits for stragglers
and prints what came: `{"published", "delays_s"}`, one delay for each message of another process.
"""

import json
import sys
import time
from typing import Any

import trio
from libp2p import new_host
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

TOPIC = "bench"
STAMP_BYTES = 8


async def main(per_s: float, seconds: float, size: int, stragglers_s: float) -> None:
    """Take part."""
    host = new_host()
    router = GossipSub([PROTOCOL_ID_V11], 6, 5, 12, heartbeat_interval=1)
    pubsub = Pubsub(host, router)
    delays_s: list[float] = []
    published = 0
    async with (
        background_trio_service(pubsub),
        background_trio_service(router),
        host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]),
        trio.open_nursery() as nursery,
    ):
        await pubsub.wait_until_ready()
        inbox = await pubsub.subscribe(TOPIC)
        own = host.get_id().to_bytes()

        async def listen() -> None:
            while True:
                message: Any = await inbox.get()
                if message.from_id != own:
                    sent_ns = int.from_bytes(message.data[:STAMP_BYTES], "big")
                    delays_s.append((time.time_ns() - sent_ns) / 1e9)

        nursery.start_soon(listen)
        print(json.dumps(str(host.get_addrs()[0])), flush=True)
        for address in json.loads(await trio.to_thread.run_sync(sys.stdin.readline)):
            await host.connect(info_from_p2p_addr(Multiaddr(address)))
        print(json.dumps("connected"), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)  # all are connected
        end_s = trio.current_time() + seconds
        while (next_s := trio.current_time() + 1 / per_s) < end_s:
            stamp = time.time_ns().to_bytes(STAMP_BYTES, "big")
            await pubsub.publish(TOPIC, stamp + published.to_bytes(8, "big") + bytes(size - 16))
            published += 1
            await trio.sleep_until(next_s)
        await trio.sleep(stragglers_s)
        print(json.dumps({"published": published, "delays_s": delays_s}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)  # all have ended
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *map(float, sys.argv[1:3]), int(sys.argv[3]), float(sys.argv[4]))
