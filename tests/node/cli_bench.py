"""Runs `aimarket` against a live server, and keeps what it prints apart."""

import contextlib
import io
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from node.cli import main
from node.news import Reporter
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from tests.fakes_market import FakeMarket, services

TOKEN = "a" * 64


@dataclass
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ended]]


def run_main(args: list[str], stdin: bytes = b"") -> Ended:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(args)
    finally:
        sys.stdin = before
    return Ended(code, out.getvalue(), err.getvalue())


@asynccontextmanager
async def served(
    market: FakeMarket, home: Path, reporter: Reporter | None = None
) -> AsyncIterator[Run]:
    """Serve a market as the node alice of a home that AIMARKET_HOME names."""
    async with trio.open_nursery() as nursery:
        offered = services(market, reporter)
        url = await nursery.start(partial(serve_rpc, offered, port=0, token=TOKEN))
        (home / "alice").mkdir(exist_ok=True)
        write_rpc_file(home / "alice" / "rpc.json", RpcFile(url, TOKEN, os.getpid(), "alice"))

        async def run(*args: str, stdin: bytes = b"") -> Ended:
            return await trio.to_thread.run_sync(run_main, list(args), stdin)

        yield run
        nursery.cancel_scope.cancel()
