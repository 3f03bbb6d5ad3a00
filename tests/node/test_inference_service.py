"""The worker process and its supervisor, with task types that need no model."""

import os
import signal
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import trio
import trio.testing

from node.errors import InferenceFailed, RequestRefused, StartError
from node.inference.model_digest import model_digest
from node.inference.registry import load_task_type
from node.inference.service import InferenceService, WorkerState
from node.inference.supervised import COMMAND, worker_environment
from node.inference.task_type import BATCH_INPUTS_MAX
from protocol.statements import Answer, AnswerKind, Capability
from tests.node.inference_builders import (
    LIMITS,
    MODULE,
    Watched,
    a_model_dir,
    a_running_service,
    echo,
    sentiment,
    tricky,
    tricky_model,
)

TRICKY = Capability("tricky", b"")


async def test_infer__answers_through_a_real_process() -> None:
    async with a_running_service(echo()) as node:
        result = await node.ask("echo", "hello")

        assert node.service.capabilities() == (Capability("echo", b""),)
        assert node.service.status.worker_pid not in (None, os.getpid())
        assert result.answer == Answer(AnswerKind.VALUE, sha256(b"hello").digest())
        assert (result.confidence_ppm, result.margin_ppm) == (1_000_000, 1_000_000)


async def test_worker__without_models_imports_no_heavy_library() -> None:
    async with a_running_service(echo(), tricky()) as node:
        imported = await node.service.infer(TRICKY, b"modules")

        assert imported.answer.value == b""


async def test_infer__runs_what_waits_as_one_batch() -> None:
    sizes: list[int] = []

    async def ask(node: Watched) -> None:
        result = await node.service.infer(TRICKY, b"batch size")
        sizes.append(int(result.answer.value))

    async with a_running_service(tricky()) as node, trio.open_nursery() as nursery:
        for _ in range(BATCH_INPUTS_MAX + 8):
            nursery.start_soon(ask, node)

    assert len(sizes) == BATCH_INPUTS_MAX + 8
    assert max(sizes) == BATCH_INPUTS_MAX


async def test_infer__makes_no_batch_larger_than_the_task_type_allows() -> None:
    found = load_task_type("one-at-a-time", f"{MODULE}:ONE_AT_A_TIME")
    async with a_running_service(found) as node, trio.open_nursery() as nursery:
        (capability,) = node.service.capabilities()
        sizes: list[bytes] = []

        async def ask() -> None:
            sizes.append((await node.service.infer(capability, b"batch size")).answer.value)

        for _ in range(3):
            nursery.start_soon(ask)

    assert sizes == [b"1"] * 3


async def test_infer__fails_when_the_worker_is_killed_and_serves_again_after() -> None:
    async with a_running_service(tricky()) as node:
        first_pid = node.service.status.worker_pid
        assert first_pid is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure, node, b"hang")
            await trio.testing.wait_all_tasks_blocked()
            os.kill(first_pid, signal.SIGKILL)
        lost = node.service.status
        await node.wait_ready()
        result = await node.service.infer(TRICKY, b"fine")

        assert lost.state is WorkerState.RESTARTING
        assert "code -9" in lost.last_error
        assert result.answer.value == b"fine"
        assert node.service.status.worker_pid != first_pid
        assert node.service.status.restarts == 1


async def test_service__notices_an_idle_worker_that_dies() -> None:
    async with a_running_service(echo()) as node:
        first_pid = node.service.status.worker_pid
        assert first_pid is not None
        os.kill(first_pid, signal.SIGKILL)
        await node.wait_error("code -9")
        await node.wait_ready()

        assert node.service.status.worker_pid != first_pid


async def test_service__tries_again_when_no_process_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where there are too many descriptors, or too little memory, for a moment."""
    async with a_running_service(echo()) as node:
        first_pid = node.service.status.worker_pid
        assert first_pid is not None
        open_process, failures = trio.lowlevel.open_process, [OSError(24, "Too many open files")]

        async def open_late(*args: Any, **named: Any) -> Any:
            if failures:
                raise failures.pop()
            return await open_process(*args, **named)

        monkeypatch.setattr(trio.lowlevel, "open_process", open_late)
        os.kill(first_pid, signal.SIGKILL)
        await node.wait_error("Too many open files")
        await node.wait_ready()

        assert node.service.status.worker_pid != first_pid


async def expect_failure(node: Watched, packed: bytes) -> None:
    with pytest.raises(InferenceFailed):
        await node.service.infer(TRICKY, packed)


async def test_infer__fails_all_that_waits_when_a_run_crashes() -> None:
    async with a_running_service(tricky()) as node:
        async with trio.open_nursery() as nursery:
            for packed in (b"crash", b"fine", b"fine"):
                nursery.start_soon(expect_failure, node, packed)
        await node.wait_ready()

        assert (await node.service.infer(TRICKY, b"fine")).answer.value == b"fine"


async def test_infer__kills_a_worker_that_takes_too_long() -> None:
    async with a_running_service(tricky(), limits=replace(LIMITS, run_timeout_s=0.2)) as node:
        with pytest.raises(InferenceFailed, match=r"more than 0\.2 s"):
            await node.service.infer(TRICKY, b"hang")
        await node.wait_ready()
        node.service._limits = LIMITS  # what is fine may be slow on a new process

        assert (await node.service.infer(TRICKY, b"fine")).answer.value == b"fine"


@pytest.mark.parametrize("packed", [b"nan", b"bug", b"long", b"too sure"])
async def test_infer__one_bad_input_does_not_take_the_batch_with_it(packed: bytes) -> None:
    async with a_running_service(tricky()) as node:
        pid = node.service.status.worker_pid
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure, node, packed)
            nursery.start_soon(node.service.infer, TRICKY, b"fine")

        assert node.service.status.worker_pid == pid


async def test_worker__keeps_what_libraries_print_out_of_the_pipe() -> None:
    async with a_running_service(tricky()) as node:
        results = [await node.service.infer(TRICKY, packed) for packed in (b"print", b"fine")]

        assert [one.answer.value for one in results] == [b"print", b"fine"]


async def test_infer__refuses_what_is_not_served() -> None:
    async with a_running_service(echo()) as node:
        for capability in (Capability("echo", b"x" * 32), TRICKY):
            with pytest.raises(InferenceFailed, match="not served"):
                await node.service.infer(capability, b"hello")


async def test_run__leaves_no_process_behind_even_in_the_middle_of_a_run() -> None:
    async with a_running_service(tricky()) as node:
        pid = node.service.status.worker_pid
        assert pid is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.service.infer, TRICKY, b"hang")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_worker__ends_with_its_node() -> None:
    process = await trio.lowlevel.open_process(
        COMMAND, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=worker_environment()
    )
    assert process.stdin is not None

    await process.stdin.aclose()

    with trio.fail_after(10):
        assert await process.wait() == 0


async def test_service__refuses_a_model_that_changed_since_the_start(tmp_path: Path) -> None:
    model_dir = a_model_dir(tmp_path)
    async with a_running_service(tricky_model(), model_dirs={"tricky-model": model_dir}) as node:
        capability = node.service.default_capability("tricky-model")
        (model_dir / "tokenizer.json").write_bytes(b"[]")
        with pytest.raises(InferenceFailed):
            await node.service.infer(capability, b"crash")
        await node.wait_error("have changed since the node started")

        assert capability.model_digest != model_digest(model_dir, 256)
        assert node.service.capabilities() == ()


async def test_run__refuses_a_model_type_without_a_model() -> None:
    service = InferenceService(task_types=[sentiment()], model_dirs={}, limits=LIMITS)

    with pytest.RaisesGroup(pytest.RaisesExc(StartError, match="needs a model")):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)


@pytest.mark.parametrize(
    ("text", "code"), [("", "text_empty"), (" \n", "text_empty"), ("ä" * 8193, "text_too_long")]
)
def test_encode__refuses_what_no_worker_would_answer(text: str, code: str) -> None:
    service = InferenceService(task_types=[echo()], model_dirs={}, limits=LIMITS)

    with pytest.raises(RequestRefused) as caught:
        service.encode("echo", text)

    assert caught.value.code == code


def test_default_capability__is_not_known_before_the_start() -> None:
    service = InferenceService(task_types=[echo()], model_dirs={}, limits=LIMITS)

    with pytest.raises(RequestRefused, match="not known yet"):
        service.default_capability("echo")


def test_encode__takes_the_longest_text_and_names_unknown_types() -> None:
    service = InferenceService(task_types=[echo()], model_dirs={}, limits=LIMITS)

    assert len(service.encode("echo", "ä" * 8192)) == 16_384
    with pytest.raises(RequestRefused, match="enabled: echo"):
        service.encode("telepathy", "hello")
