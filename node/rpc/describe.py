"""Tells programs all that the RPC has, as an OpenAPI document."""

from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from node.rpc.guard import FREE_PATH, RENEW_PATH
from node.rpc.schemas import AT_MS, AT_MS_SCHEMA
from node.views_events import EventView, GapEvent

INTRODUCTION = """\
The RPC of one node, for the user of the machine it runs on.

Every request but `GET /health` and those for its page carries `Authorization: Bearer` with the
token of the node's `rpc.json`, and a `Host` that is this node's; so no other web page can reach it.
Every error has one shape, `code` for programs and `message` for people.
"""
_UNUSED = ("HTTPValidationError", "ValidationError")  # what does not fit is answered 400, by us


def describe(app: FastAPI, *, version: str) -> None:
    """Let an application show the document of its routes, made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, version)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, version: str) -> dict[str, Any]:
    document: dict[str, Any] = get_openapi(
        title=app.title, version=version, description=INTRODUCTION, routes=app.routes
    )
    components = document["components"]
    for name in _UNUSED:
        components["schemas"].pop(name, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for status, response in responses.items():
                if int(status) >= 400:  # also of a route that answers with a stream or with text
                    [told] = response["content"].values()
                    response["content"] = {"application/json": told}
    document["paths"][FREE_PATH]["get"]["security"] = []
    document["paths"][RENEW_PATH]["post"]["security"] = []
    told = document["paths"]["/events"]["get"]["responses"]["200"]["content"]
    events = [kind.__name__ for kind in get_args(EventView)]
    for kind in events:
        schema = components["schemas"][kind]
        schema["properties"][AT_MS] = AT_MS_SCHEMA
        schema["required"].append(AT_MS)
    kinds = [*events, GapEvent.__name__]
    told["text/event-stream"] = {
        "schema": {"anyOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in kinds]}
    }
    return document
