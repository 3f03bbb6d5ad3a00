"""Whatever a user asks wrongly of a live node is answered in one line, and the node serves on."""

from collections.abc import Iterator

import pytest

from tests.loopback.nodes import RealNode, Street, aimarket, street

pytestmark = pytest.mark.e2e

TOO_LONG = "x" * 16_385
ABSENT = "0" * 64

# What is submitted; the status, the code and the words of the answer; the client's exit code.
BODIES: dict[str, tuple[dict[str, object], int, str, tuple[str, ...]]] = {
    "empty text": ({"text": ""}, 400, "text_empty", ("text is empty",)),
    "blank text": ({"text": " \t\n"}, 400, "text_empty", ("text is empty",)),
    "no text": ({}, 400, "bad_request", ("body.text",)),
    "text of another kind": ({"text": 7}, 400, "bad_request", ("body.text", "string")),
    "half a character": ({"text": "\ud800"}, 400, "bad_request", ("body.text", "Unicode")),
    "long text": ({"text": TOO_LONG}, 400, "text_too_long", ("16385", "16384")),
    "longer text": ({"text": 9 * TOO_LONG}, 413, "body_too_large", ("65536 bytes",)),
    "unknown type": (
        {"text": "a", "type": "nope"},
        400,
        "task_type_unknown",
        ("nope", "enabled: echo"),
    ),
    "even seats": ({"text": "a", "seats": 4}, 400, "bad_seats", ("seats: 4", "odd", "1 to 31")),
    "too many seats": ({"text": "a", "seats": 33}, 400, "bad_seats", ("seats: 33", "1 to 31")),
    "no seats": ({"text": "a", "seats": 0}, 400, "bad_seats", ("seats: 0", "1 to 31")),
    "far too many seats": ({"text": "a", "seats": 10**15}, 400, "bad_seats", ("1 to 31",)),
    "seats in words": ({"text": "a", "seats": "3"}, 400, "bad_request", ("body.seats", "integer")),
    "short model": ({"text": "a", "model": "ab"}, 400, "bad_model", ("model 'ab'", "64 hex")),
    "model not hex": ({"text": "a", "model": "z" * 64}, 400, "bad_model", ("'zzz", "64 hex")),
    "long model": ({"text": "a", "model": "a" * 65}, 400, "bad_model", ("64 hex",)),
    "empty request id": (
        {"text": "a", "request_id": ""},
        400,
        "bad_request_id",
        ("0", "1 to 128"),
    ),
    "long request id": (
        {"text": "a", "request_id": "r" * 129},
        400,
        "bad_request_id",
        ("129", "1 to 128"),
    ),
    "unknown field": ({"text": "a", "seat": 3}, 400, "bad_request", ("body.seat",)),
}
PATHS: dict[str, tuple[str, str, int, str, tuple[str, ...]]] = {
    "short task id": ("GET", "/tasks/12", 400, "bad_task_id", ("'12'", "64 hex", "first 8")),
    "task id not hex": ("GET", f"/tasks/{'z' * 64}", 400, "bad_task_id", ("'zzz", "64 hex")),
    "odd task id not hex": ("GET", "/tasks/123456789z", 400, "bad_task_id", ("'123456789z'",)),
    "long task id": ("GET", f"/tasks/{'0' * 65}", 400, "bad_task_id", ("64 hex",)),
    "absent task": ("GET", f"/tasks/{ABSENT}", 404, "unknown_task", ("no such task",)),
    "absent prefix": ("GET", "/tasks/00000000", 404, "unknown_task", ("no such task",)),
    "cancel nonsense": ("POST", "/tasks/12/cancel", 400, "bad_task_id", ("'12'",)),
    "cancel absent": ("POST", f"/tasks/{ABSENT}/cancel", 404, "unknown_task", ("no such task",)),
    "limit": ("GET", "/tasks?limit=0", 400, "bad_request", ("query.limit", "1")),
    "cursor": ("GET", "/tasks?cursor=nope", 400, "bad_cursor", ("cursor", "`next`")),
    "state": ("GET", "/tasks?state=nope", 400, "bad_request", ("query.state", "final")),
    "absent peer": ("GET", "/leaderboard/of/nobody", 404, "unknown_peer", ("nobody",)),
    "no such path": ("GET", "/nope", 404, "not_found", ()),
}
COMMANDS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "empty text": (("submit", ""), 2, ("text is empty",)),
    "long text": (("submit", TOO_LONG), 2, ("16385", "16384")),
    "unknown type": (("submit", "a", "--type", "nope"), 2, ("nope", "echo")),
    "even seats": (("submit", "a", "--seats", "4"), 2, ("4", "1 to 31")),
    "bad model": (("submit", "a", "--model", "zz"), 2, ("'zz'", "64 hex")),
    "bad task id": (("task", "12"), 2, ("'12'", "64 hex")),
    "absent task": (("task", ABSENT), 1, ("no such task",)),
    "absent peer": (("leaderboard", "--of", "nobody"), 1, ("nobody", "aimarket peers")),
    "absent node": (("status", "--id", "nobody"), 69, ("'nobody'", "aimarket-node --id nobody")),
    "nobody listens": (
        ("status", "--rpc", "http://127.0.0.1:1"),
        69,
        ("http://127.0.0.1:1", "running?"),
    ),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("town")) as found:
        yield found


@pytest.fixture(scope="module")
def started(town: Street) -> RealNode:
    node = town.node("alice")
    node.launch()
    node.wait_ready()
    return node


@pytest.fixture
def alice(started: RealNode) -> Iterator[RealNode]:
    """Lend a live node, and see that it wrote nothing and serves on."""
    before = started.status()["records"]
    yield started
    assert started.call("GET", "/health") == (200, {"ok": True})
    assert started.status()["records"] == before
    assert "Traceback" not in started.words()


@pytest.mark.parametrize("case", BODIES)
def test_a_wrong_submission__is_refused_with_its_limit(case: str, alice: RealNode) -> None:
    body, status, code, fragments = BODIES[case]

    answer = alice.call("POST", "/tasks", body)

    assert_refusal(answer, status, code, fragments)


@pytest.mark.parametrize("case", PATHS)
def test_a_wrong_path__is_refused_with_what_was_wrong(case: str, alice: RealNode) -> None:
    method, path, status, code, fragments = PATHS[case]

    answer = alice.call(method, path, {} if method == "POST" else None)

    assert_refusal(answer, status, code, fragments)


@pytest.mark.parametrize("token", ["0" * 64, "nonsense"])
def test_a_wrong_token__is_refused(token: str, alice: RealNode) -> None:
    answer = alice.call("GET", "/status", token=token)

    assert_refusal(answer, 401, "unauthorized", ("Authorization: Bearer TOKEN",))


@pytest.mark.parametrize("case", COMMANDS)
def test_a_wrong_command__says_one_line_and_exits_as_documented(case: str, alice: RealNode) -> None:
    arguments, code, fragments = COMMANDS[case]

    ended = aimarket(alice.home, *arguments)

    assert ended.returncode == code, ended.stderr
    assert_one_line(ended.stdout, ended.stderr, fragments)


def test_a_wrong_token_file__makes_the_client_exit_with_77(alice: RealNode) -> None:
    token_file = alice.home / "token"
    token_file.write_text("0" * 64)
    token_file.chmod(0o600)

    ended = aimarket(alice.home, "status", "--id", "alice", "--token-file", str(token_file))

    assert ended.returncode == 77
    assert_one_line(ended.stdout, ended.stderr, ("refused us", "Authorization"))


def test_a_node_that_was_killed__makes_the_client_exit_with_69(town: Street) -> None:
    node = town.node("zoe")
    node.launch()
    node.wait_serving()
    node.kill()

    ended = aimarket(town.home, "status", "--id", "zoe")

    assert (node.directory / "rpc.json").exists()
    assert ended.returncode == 69
    assert_one_line(ended.stdout, ended.stderr, ("aimarket-node --id zoe", "running?"))


def test_a_request_id__stands_for_one_task_alone(started: RealNode) -> None:
    first = started.submit("a", request_id="once")

    again = started.submit("a", request_id="once")
    other = started.call("POST", "/tasks", {"text": "b", "request_id": "once"})
    seats = started.call("POST", "/tasks", {"text": "a", "seats": 5, "request_id": "once"})

    assert again == first
    for answer in (other, seats):
        assert_refusal(answer, 409, "request_id_used", ("'once'", "another task"))
    assert [task["task_id"] for task in started.ask("/tasks")["tasks"]] == [first]


def assert_refusal(
    answer: tuple[int, dict[str, str]], status: int, code: str, fragments: tuple[str, ...]
) -> None:
    found, document = answer
    assert (found, document["code"]) == (status, code), document
    assert [words for words in fragments if words not in document["message"]] == [], document
    assert "\n" not in document["message"]


def assert_one_line(out: str, err: str, fragments: tuple[str, ...]) -> None:
    assert out == ""
    assert err.count("\n") == 1, err
    assert [words for words in fragments if words not in err] == [], err
