"""What was, over a real connection."""

import pytest

from node.history import NAMES
from tests.fakes_explain import BO
from tests.fakes_market import FakeMarket
from tests.node.test_rpc_routes import served


async def test_points_history__tells_what_the_explainer_tells() -> None:
    async with served(FakeMarket()) as client:
        answer = await client.get("/leaderboard/history?tasks=2&limit=1")

    assert answer.status_code == 200
    assert answer.json() == {
        "looked": 2,
        "more": True,
        "workers": [
            {
                "worker": {"worker_id": BO.worker_id, "peer_id": BO.peer_id},
                "points": 3,
                "at_ms": [1_700_000_000_000, 1_700_000_000_500],
                "after": [2, 3],
            }
        ],
    }


@pytest.mark.parametrize("query", ["tasks=0", "tasks=2001", "limit=0", "limit=33", "tasks=x"])
async def test_points_history__refuses_what_is_out_of_bounds(query: str) -> None:
    async with served(FakeMarket()) as client:
        refused = await client.get(f"/leaderboard/history?{query}")

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    assert query.partition("=")[0] in refused.json()["message"]


async def test_points_history__is_no_leaderboard_of_a_peer() -> None:
    async with served(FakeMarket()) as client:
        peer = await client.get("/leaderboard/of/history")
        post = await client.post("/leaderboard/history", json={})

    assert (peer.status_code, peer.json()["code"]) == (404, "unknown_peer")
    assert post.status_code == 405


async def test_history__tells_the_samples_after_a_moment() -> None:
    async with served(FakeMarket()) as client:
        whole = (await client.get("/history")).json()
        rest = (await client.get("/history?after=1000")).json()
        none = (await client.get("/history?after=6000")).json()

    assert (whole["at_ms"], whole["every_ms"], whole["now_ms"]) == ([1_000, 6_000], 5_000, 7_000)
    assert whole["series"]["runs"] == [0.5, 0.5]
    assert rest["at_ms"] == [6_000]
    assert rest["series"] == {n: [None if n == "verdict_p50_s" else 0.5] for n in NAMES}
    assert (none["at_ms"], none["series"]) == ([], {name: [] for name in NAMES})


@pytest.mark.parametrize("after", ["-1", "x", "", "1.5", str(2**53 + 1)])
async def test_history__refuses_what_is_no_moment(after: str) -> None:
    async with served(FakeMarket()) as client:
        refused = await client.get(f"/history?after={after}")

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    assert "after" in refused.json()["message"]
