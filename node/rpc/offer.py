"""Serves a node where its operator chose; meanwhile its directory holds the address and token."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from node.rpc.public_server import serve_public
from node.rpc.server import serve_rpc
from node.rpc.session import read_key
from node.rpc.token import FILE_NAME, RpcFile, left_rpc_file, left_token, new_token
from node.services import Services

if TYPE_CHECKING:
    from trio_typing import TaskStatus


async def offer_rpc(
    services: Services,
    *,
    folder: Path,
    node_id: str,
    port: int | None,
    token_file: Path | None = None,
    open_reads: bool,
    dashboard_public: tuple[str, int] | None = None,
    task_status: "TaskStatus[RpcFile]",
) -> None:
    """Serve until cancelled; start with `rpc = await nursery.start(partial(offer_rpc, ...))`.

    Args:
        services: What is served.
        folder: The node's directory.
        node_id: Its nickname.
        port: Where it is served; None for the default, which may give way.
        token_file: Where the token alone is left, too, until the end; None for nowhere.
        open_reads: Whether anybody on this machine may read without the token.
        dashboard_public: Where everybody is shown the dashboard; None for nowhere.
        task_status: Told what was left in the directory once requests are answered.

    Raises:
        StartError: A port that was named is taken, or what is at `token_file` is no token.
    """
    token = new_token()
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_rpc,
            services,
            token=token,
            page_key=read_key(folder),
            open_reads=open_reads,
        )
        public_url = ""
        if dashboard_public is not None:
            host, public_port = dashboard_public
            show = partial(serve_public, services, host=host, port=public_port)
            public_url = await nursery.start(show)
        if port is None:
            url = await nursery.start(partial(serve, or_free_port=True))
        else:
            url = await nursery.start(partial(serve, port=port))
        content = RpcFile(url, token, os.getpid(), node_id, public_url)
        # Whoever waits for the node waits for its address, so that one is the last to be there.
        with left_token(token_file, token), left_rpc_file(folder / FILE_NAME, content):
            task_status.started(content)
            await trio.sleep_forever()
