"""What strangers write who mean no good, and a node that heard them: for tests of what is shown."""

from tests.builders import a_task, key
from tests.dashboard.players import Players
from tests.loopback.nodes import RealNode, Street

HOSTILE = "<img src=x onerror=alert(1)>"
TURNING = "\u202e\u0007"  # turns round what follows, and rings
TURNED = "��"  # how the page shows that
UNRULY = f"{TURNING}\n" + "W" * 40  # breaks the line, and does not break at all
UNSEEN = "\u200b\u2060\u00ad\u3164\u180e\u200d\u2800"  # no white space, and nothing to see
ANSWERS = {"ann": "positive", "ben": "positive", "cat": "negative"}
# `/health` last: it is renewed on a beat, so something is always about to change there.
VIEWS = {
    "network": "/",
    "tasks": "/tasks",
    "leaderboard": "/leaderboard",
    "verify": "/verify",
    "health": "/health",
}


def told(town: Street) -> RealNode:
    """Start a node that heard of tasks of every kind, and of strangers who write what they like."""
    node = town.node("alice")
    node.launch()
    node.wait_serving()
    players = Players(town, node)
    names = {"ann": HOSTILE + TURNING, "ben": UNRULY[:20], "cat": UNSEEN, "sue": TURNING + HOSTILE}
    players.call_themselves(names, agent=HOSTILE + TURNING)
    everyone = tuple(ANSWERS)
    players.judge("sue", a_task(HOSTILE + UNRULY, nonce=1), ANSWERS, openers=everyone)
    players.judge("sue", a_task("half opened", nonce=2), ANSWERS, openers=["ann"])
    players.judge(
        "sue",
        a_task("undecided", nonce=3),
        dict(zip(everyone, "abc", strict=True)),
        openers=everyone,
    )
    strange = dict.fromkeys(everyone, HOSTILE)
    players.judge("sue", a_task("answers strangely", nonce=4), strange, openers=everyone)
    refused = dict.fromkeys(everyone, "!not_utf8")
    players.judge("sue", a_task("refused", nonce=5), refused, openers=everyone)
    players.judge("sue", a_task("\u200b\u200b", nonce=7), ANSWERS, openers=everyone)
    players.ask("sue", a_task("just asked", nonce=6, task_type=HOSTILE + TURNING))
    return node


def tasks_of(node: RealNode) -> dict[str, str]:
    """Return the ids of tasks by how their text begins."""
    return {task["text"][:8]: task["task_id"] for task in node.ask("/tasks")["tasks"]}


def views_of(node: RealNode, *, worker: str = "ann") -> dict[str, str]:
    """Return an address for every view, tasks of every kind and a record among them."""
    tasks = tasks_of(node)
    found = {f"task {text}": f"/tasks/{task_id}" for text, task_id in tasks.items()}
    said = node.ask(f"/explain/{next(iter(tasks.values()))}")["task"]["records"]
    record_id = said[0]["record_id"]
    path = f"/workers/{key(worker).hex()}"
    return {**VIEWS, **found, "worker": path, "record": f"/records/{record_id}"}
