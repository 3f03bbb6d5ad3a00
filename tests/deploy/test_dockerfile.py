"""The image: what its build needs is copied, what it runs exists, and its user is nobody."""

import fnmatch
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.deploy.recipes import DOCKERFILE, IGNORED, MAY_SKIP, only, stages_of, variables_of
from tests.loopback.nodes import ROOT

BIN = Path(sys.executable).parent
BUILD, FINAL = stages_of(DOCKERFILE.read_text())


def test_dockerfile__has_nothing_that_a_linter_minds() -> None:
    linted = subprocess.run(
        [BIN / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False
    )

    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def test_final_stage__stands_on_the_same_pinned_base_and_brings_one_library() -> None:
    installed = [word for one in FINAL if one.name == "RUN" for word in one.rest.split()]

    assert BUILD[0].rest.removesuffix(" AS build") == FINAL[0].rest
    assert FINAL[0].rest.startswith("python:3.11.")
    assert installed[installed.index("install") :][1:4] == [
        "--yes",
        "--no-install-recommends",
        "libgmp10",
    ]
    assert "build-essential" not in installed


def test_programs__are_installed_and_run_without_a_shell() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert only(FINAL, "ENTRYPOINT").words[0] in scripts
    assert only(FINAL, "CMD").words == []
    assert only(FINAL, "HEALTHCHECK").words[0] in scripts
    assert only(FINAL, "STOPSIGNAL").rest == "SIGTERM"
    assert variables_of(FINAL)["PATH"].startswith("/opt/aimarket/bin:")


def test_copied__is_all_that_a_wheel_needs_and_all_that_is_let_in(tmp_path: Path) -> None:
    copied = [word for one in BUILD if one.name == "COPY" for word in one.rest.split()[:-1]]
    let_in = [line[1:] for line in IGNORED.read_text().splitlines() if line.startswith("!")]
    source = tmp_path / "src"
    source.mkdir()
    for name in copied:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)

    built = [_wheel(folder, tmp_path / folder.name) for folder in (source, ROOT)]

    assert sorted(copied) == sorted(let_in)
    assert built[0] == built[1]


def test_secrets__are_not_let_into_an_image() -> None:
    patterns = [line for line in IGNORED.read_text().splitlines() if line[:1] not in ("#", "")]

    for name in ("deploy/secrets/alice", ".git/config", ".venv/pyvenv.cfg", "node/a.pyc"):
        assert not _is_let_in(name, patterns), name
    assert _is_let_in("node/main.py", patterns)


@pytest.mark.skipif(
    MAY_SKIP and os.geteuid() != 0, reason="NOT TESTED: not root: another /etc needs it"
)
def test_user__is_no_root_and_owns_its_home(tmp_path: Path) -> None:
    made = next(one.rest for one in FINAL if one.name == "RUN" and "useradd" in one.rest)
    home = variables_of(FINAL)["AIMARKET_HOME"]
    user = only(FINAL, "USER").rest
    # In a mount namespace of its own, where /etc and /var/lib are empty copies.
    script = f"""
      set -e
      cp -a /etc {tmp_path}/etc
      mount --bind {tmp_path}/etc /etc
      mount -t tmpfs tmpfs /var/lib
      {made}
      stat -c '%u:%g %a' {home}
      getent passwd aimarket
    """

    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        f"{user} 700",
        f"aimarket:x:{user}::{home}:/usr/sbin/nologin",
    ]
    assert only(FINAL, "VOLUME").rest == only(FINAL, "WORKDIR").rest == home


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_commands__are_what_a_shell_can_read(stage: list[object]) -> None:
    commands = [one.rest for one in (BUILD if stage is BUILD else FINAL) if one.name == "RUN"]

    for command in commands:
        read = subprocess.run(["sh", "-n", "-c", command], capture_output=True, check=False)
        assert (read.returncode, read.stderr) == (0, b"")
    assert commands


def _wheel(folder: Path, out: Path) -> set[str]:
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out / "dist")]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (wheel,) = (out / "dist").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def _is_let_in(name: str, patterns: list[str]) -> bool:
    """Answer as docker does: the last pattern that fits a path, or a folder above it, decides."""
    parts = Path(name).parts
    above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    let_in = True
    for pattern in patterns:
        bare = pattern.removeprefix("!").replace("**/", "*")
        if any(fnmatch.fnmatch(each, bare) for each in above):
            let_in = pattern.startswith("!")
    return let_in
