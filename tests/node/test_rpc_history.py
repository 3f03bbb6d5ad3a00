"""What was, over a real connection."""

import pytest

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
