"""The compose file as a network: each service in a namespace, by the image's programs and names."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.machines import Machine
from tests.chaos.wires import Wires
from tests.deploy.recipes import COMPOSE, DOCKERFILE, only, services_of, stages_of
from tests.loopback.nodes import READY_S, until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(240),
]

FINAL = stages_of(DOCKERFILE.read_text())[-1]
NAMES_OF = Path("/etc/netns")  # what lies there takes the place of /etc in a namespace


@pytest.fixture
def hosts(wires: Wires, tmp_path: Path) -> Iterator[Path]:
    """Lend a folder whose `hosts` says who is who in every namespace linked to it."""
    folder = tmp_path / "names"
    folder.mkdir()
    NAMES_OF.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        for link in NAMES_OF.iterdir():
            if link.is_symlink() and link.readlink() == folder:
                link.unlink()


def test_compose__is_a_network_that_answers(wires: Wires, hosts: Path, tmp_path: Path) -> None:
    services = services_of(COMPOSE, {})
    plugs = {name: wires.plug(name) for name in services}
    lines = [f"{plug.host} {name}" for name, plug in plugs.items()]
    (hosts / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
    machines = {}
    for name, service in services.items():
        (NAMES_OF / plugs[name].namespace).symlink_to(hosts)
        passphrase = tmp_path / f"{name}.passphrase"
        passphrase.write_text(os.urandom(12).hex())
        passphrase.chmod(0o400)
        variables = {
            **service["environment"],
            "AIMARKET_HOME": str(tmp_path / name),
            "AIMARKET_PASSPHRASE_FILE": str(passphrase),
        }
        machines[name] = Machine(plugs[name], tmp_path / name, variables)

    # One after the other is healthy, as compose has it.
    healthy = " ".join(only(FINAL, "HEALTHCHECK").words)
    for name, machine in machines.items():
        (program,) = services[name].get("entrypoint") or only(FINAL, "ENTRYPOINT").words
        machine.start(program)
        until(lambda machine=machine: machine.shown(), within_s=READY_S, what=f"{name} serves")  # type: ignore[misc]
        assert machine.run(healthy) == "ok\n"
    step = COMPOSE.read_text().split("docker compose exec alice ", 1)[1].splitlines()[0]
    answered = machines["alice"].run(step)
    keys = [machine.run(f"aimarket key show --id {name}") for name, machine in machines.items()]
    codes = {name: machine.press_ctrl_c() for name, machine in machines.items()}

    assert "answer     positive" in answered.splitlines()
    assert all("passphrase  yes" in shown.splitlines() for shown in keys)
    assert set(codes.values()) == {0}
    assert not any(machine.complained for machine in machines.values())
