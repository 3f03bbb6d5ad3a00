"""docs/rpc.md, held against what the RPC says of itself."""

import re
from pathlib import Path
from typing import get_args

from node.core.steps import StepKind
from node.views_events import EventType
from tests.fakes_market import FakeMarket
from tests.node.test_rpc_openapi import document_of
from tests.node.test_rpc_routes import served

PAGE = (Path(__file__).parents[2] / "docs" / "rpc.md").read_text()
ROUTE = re.compile(r"^\| `([A-Z]+) (/\S*)` \| .* \| ((?:`[a-z-]+` ?)*)\|$", re.MULTILINE)


async def test_rpc_page__has_every_route_and_what_can_be_asked_of_it() -> None:
    async with served(FakeMarket()) as client:
        document = await document_of(client)
    found = {
        (method.upper(), path): {one["name"] for one in operation.get("parameters", [])}
        - set(re.findall(r"{(\w+)}", path))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    told = {
        (method, path): set(re.findall(r"[a-z-]+", asked))
        for method, path, asked in ROUTE.findall(PAGE)
    }

    assert told == found


def test_rpc_page__has_every_event() -> None:
    table = PAGE.partition("| type | when |")[2].partition("\n\n")[0]
    told = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.partition(" | ")[0])
    }

    assert told == {*get_args(EventType), "gap"}


def test_rpc_page__has_every_kind_of_step() -> None:
    told = PAGE.partition("**Steps**")[2].partition("\n\n")[0].partition("for programs:")[2]

    assert tuple(re.findall(r"`(\w+)`", told)) == get_args(StepKind)


async def test_rpc_page__has_every_status_of_an_error() -> None:
    async with served(FakeMarket()) as client:
        document = await document_of(client)
    found = {
        status
        for operations in document["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
        if status >= "400"
    }

    table = PAGE.partition("## Errors")[2].partition("## Events")[0]
    everywhere = {"405", "500"}  # of any address; the schema names a fault of ours nowhere
    assert set(re.findall(r"\b[45]\d\d\b", table)) == found | everywhere
