"""The systemd unit: systemd takes it, it is locked up, and its command says when it serves."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from node.rpc.token import FILE_NAME, read_rpc_file
from tests.deploy.recipes import MAY_SKIP, UNIT, setting, settings_of
from tests.loopback.nodes import READY_S, ROOT, STOP_S, environment, until

TEXT = UNIT.read_text()
BIN = str(Path(sys.executable).parent)
INSTALLED = "/opt/aimarket/bin"
EXPOSURE_MAX = 2.0  # of 10, as systemd counts; a service that nobody hardened has 9.6
WATCHDOG_US = 200_000

needs_systemd = pytest.mark.skipif(
    MAY_SKIP and shutil.which("systemd-analyze") is None,
    reason="NOT TESTED: systemd-analyze is not installed",
)


@needs_systemd
def test_unit__has_nothing_that_systemd_minds(tmp_path: Path) -> None:
    here = tmp_path / "aimarket-node@.service"
    here.write_text(TEXT.replace(INSTALLED, BIN))

    checked = subprocess.run(
        ["systemd-analyze", "verify", str(here).replace("@.", "@alice.")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


@needs_systemd
def test_unit__is_locked_up() -> None:
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for .*: ([0-9.]+) ", checked.stdout)

    assert found is not None, checked.stdout + checked.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def test_unit__asks_for_help_where_a_restart_is_none() -> None:
    from node.errors import SignedElsewhere, UsageError

    codes = set(map(int, setting(TEXT, "RestartPreventExitStatus").split()))

    assert codes == {SignedElsewhere.exit_code, UsageError.exit_code}


@needs_systemd
def test_steps__install_the_unit_and_make_its_user(tmp_path: Path) -> None:
    docs = (ROOT / "docs" / "operating.md").read_text()
    block = docs.split("### With systemd", 1)[1].split("```sh\n", 1)[1].split("```", 1)[0]
    steps = [line.split(" && ")[0] for line in block.splitlines() if line.startswith("install ")]
    (tmp_path / "etc" / "systemd" / "system").mkdir(parents=True)

    for step in steps:
        subprocess.run(
            shlex.split(step.replace(" /etc/", f" {tmp_path}/etc/")), cwd=ROOT, check=True
        )
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], check=True)

    user = (tmp_path / "etc" / "passwd").read_text()
    assert user.startswith(f"{setting(TEXT, 'User')}:")
    assert user.strip().endswith(":/var/lib/aimarket:/usr/sbin/nologin")
    assert (tmp_path / "etc" / "systemd" / "system" / UNIT.name).read_text() == TEXT
    assert (tmp_path / "etc" / "aimarket").is_dir()
    assert f"{INSTALLED}/aimarket-node" in setting(TEXT, "ExecStart")
    assert f"{INSTALLED}/pip install" in block


@pytest.mark.e2e
def test_command__says_when_it_serves_and_ends_cleanly(tmp_path: Path) -> None:
    state, etc = tmp_path / "state", tmp_path / "etc"
    (etc / "aimarket").mkdir(parents=True)
    (etc / "aimarket" / "config.toml").write_text(
        'listen = ["/ip4/127.0.0.1/tcp/0"]\nrpc_port = 0\ntask_type = ["echo"]\n'
        '[nodes.alice]\nnetwork_genesis = "' + os.urandom(16).hex() + '"\n'
    )
    places = {"%i": "alice", "%S": str(state), "%E": str(etc), INSTALLED: BIN}
    command = _where_all_else_is_read_only(
        state, shlex.split(_filled(setting(TEXT, "ExecStart"), places))
    )
    variables = dict(
        pair.split("=", 1)
        for name, value in settings_of(TEXT)
        if name == "Environment"
        for pair in shlex.split(_filled(value, places))
    )
    folder = Path(_filled(setting(TEXT, "WorkingDirectory"), places))
    folder.mkdir(parents=True)

    with _manager(tmp_path / "notify") as ear:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(
                **variables, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC=str(WATCHDOG_US)
            ),
            stdout=subprocess.DEVNULL,
        )
        try:
            first = until(
                lambda: _hear_all(ear) or process.poll() is not None,
                within_s=READY_S,
                what="the service manager hears something",
            )
            assert isinstance(first, list), f"it ended with code {process.returncode}"
            served = _answers(folder / "alice")
            alive = until(lambda: _hear_all(ear), within_s=READY_S, what="it says that it lives")
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_S)
            last = _hear_all(ear)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    assert first[0].startswith("READY=1\nSTATUS=alice serves at http://127.0.0.1:")
    assert served
    assert "WATCHDOG=1" in alive
    said = [word for word in (*first[1:], *alive, *last) if word != "WATCHDOG=1"]
    assert (code, said) == (0, ["STOPPING=1\nSTATUS=stopping"])


def _where_all_else_is_read_only(state: Path, command: list[str]) -> list[str]:
    """Return what runs a command as ProtectSystem=strict and StateDirectory= let it; as root."""
    assert (setting(TEXT, "ProtectSystem"), setting(TEXT, "PrivateTmp")) == ("strict", "yes")
    if os.geteuid() != 0:
        return command
    script = """
      mkdir -p "$0"
      mount --bind "$0" "$0"
      mount -o remount,bind,ro /
      if mkdir /writable-after-all 2>/dev/null; then rmdir /writable-after-all; exit 99; fi
      exec "$@"
    """
    return ["unshare", "--mount", "sh", "-ec", script, str(state), *command]


def _filled(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


@contextmanager
def _manager(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as ear:
        ear.bind(str(path))
        yield ear


def _hear_all(ear: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(ear.recv(4096).decode())
        except BlockingIOError:
            return found


def _answers(directory: Path) -> bool:
    """Answer at the first try: whoever is told that a node serves does not ask twice."""
    url = read_rpc_file(directory / FILE_NAME).url
    return httpx.get(f"{url}/health", trust_env=False, timeout=5).status_code == 200
