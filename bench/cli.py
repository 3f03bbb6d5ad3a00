"""How long a simple call of `aimarket` takes, beside starting Python for nothing.

`aimarket status` asks a server on loopback that answers at once; both programs are run in turn, so
that what else the machine does meets both alike. The promise, 250 ms, is for a quiet machine; the
ratio holds on any.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from node.rpc.token import RpcFile, write_rpc_file

TOKEN = "a" * 64
WALL_S_MAX = 0.25
# No user compiles the program anew at each call, or has it configured by whoever measures.
UNLIKE_USERS = ("PYTHONDONTWRITEBYTECODE", "AIMARKET_CONFIG", "AIMARKET_ID", "AIMARKET_RPC_URL")
STATUS: dict[str, object] = {
    **dict.fromkeys(("worker_id", "peer_id", "version", "network_id", "state_digest"), "a" * 40),
    **dict.fromkeys(("waiting", "read_only", "model"), ""),
    **dict.fromkeys(("ready", "signing"), True),
    **dict.fromkeys(("peers", "records", "inference_queue", "uptime_s"), 7),
    **{name: {} for name in ("capable", "tasks", "counters")},
    **{name: [] for name in ("addresses", "capabilities")},
    "behind": False,
    "sync": {"state": "idle", "peer_id": "", "level_with": "a" * 40, "level_s_ago": 1},
}


class Answers(BaseHTTPRequestHandler):
    """Answers every GET with one status."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps(STATUS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def measure(rounds: int) -> tuple[list[float], list[float]]:
    """Return the wall seconds of each call, and of each start of Python."""
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "alice"
        folder.mkdir()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        write_rpc_file(folder / "rpc.json", RpcFile(url, TOKEN, os.getpid(), "alice"))
        kept = {name: value for name, value in os.environ.items() if name not in UNLIKE_USERS}
        environment = {**kept, "AIMARKET_HOME": home, "XDG_CONFIG_HOME": home}
        calls, starts = [], []
        for _ in range(rounds):
            starts.append(_wall_s([sys.executable, "-c", "pass"], environment))
            calls.append(_wall_s([sys.executable, "-m", "node.cli", "status"], environment))
    server.shutdown()
    return calls, starts


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    calls, starts = measure(parser.parse_args().rounds)
    call_s, start_s = statistics.median(calls), statistics.median(starts)
    print(f"aimarket status   {call_s * 1e3:4.0f} ms median, {min(calls) * 1e3:4.0f} ms least")
    print(f"python -c pass    {start_s * 1e3:4.0f} ms median, {min(starts) * 1e3:4.0f} ms least")
    print(f"ratio             {call_s / start_s:4.1f}")
    print(f"target            {WALL_S_MAX * 1e3:4.0f} ms on a quiet machine")


def _wall_s(command: list[str], environment: dict[str, str]) -> float:
    began_s = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
