"""What the RPC tells programs of itself, held against what it does."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.fakes_market import FakeMarket, a_task, decided
from tests.node.test_rpc_routes import ID, served

STREAMS = {"/events": "text/event-stream", "/metrics": "text/plain", "/log": None}
ALIKE = (
    "/health",
    "/ready",
    "/status",
    "/peers",
    "/leaderboard",
    "/leaderboard/history",
    "/history",
    "/tasks",
)
EXAMPLES = {
    "/tasks/{task_id}": f"/tasks/{ID}",
    "/leaderboard/of/{peer}": "/leaderboard/of/bob",
}


async def document_of(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


async def test_openapi__needs_the_token_as_all_the_rest() -> None:
    async with served(FakeMarket()) as client:
        del client.headers["Authorization"]
        answer = await client.get("/openapi.json")

    assert answer.status_code == 401


async def test_openapi__says_what_every_route_answers_and_by_which_right() -> None:
    async with served(FakeMarket()) as client:
        document = await document_of(client)

    errors = {"$ref": "#/components/schemas/ErrorBody"}
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            responses = operation["responses"]
            assert {"401", "403", "500", "503"} <= responses.keys(), (method, path)
            assert "422" not in responses
            if method == "post":
                assert {"400", "408", "413", "415"} <= responses.keys(), path
            for status, response in responses.items():
                content = response["content"]
                if status >= "400":
                    assert content["application/json"]["schema"] == errors, (path, status)
                elif path not in STREAMS:
                    assert content["application/json"]["schema"], (method, path, "is told of")
    assert "text/event-stream" in document["paths"]["/events"]["get"]["responses"]["200"]["content"]
    batch = document["paths"]["/tasks/batch"]["post"]["requestBody"]["content"]
    assert set(batch) == {"application/json", "application/x-ndjson"}


@pytest.mark.parametrize("path", [*ALIKE, *EXAMPLES])
async def test_openapi__has_the_fields_of_what_is_answered(path: str) -> None:
    market = FakeMarket()
    market.known[ID] = decided(a_task(ID))
    async with served(market) as client:
        document = await document_of(client)
        answer = (await client.get(EXAMPLES.get(path, path))).json()

    def check(schema: dict[str, Any], value: Any) -> None:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in schema:
            assert value.keys() == schema["properties"].keys()
            for name, inner in value.items():
                check(schema["properties"][name], inner)
        if isinstance(value, list):
            for inner in value:
                check(schema["items"], inner)

    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    check(schema["schema"], answer)


async def test_openapi__leaves_no_reference_without_its_end() -> None:
    async with served(FakeMarket()) as client:
        document = await document_of(client)

    told = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert told == set(document["components"]["schemas"])
