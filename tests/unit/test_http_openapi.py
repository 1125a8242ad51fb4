"""The OpenAPI document says what the services really serve."""

import json
from typing import Any

from pydantic import BaseModel, Field

from shared.http import Answer, Route, RouteDoc, ServiceDescription, description_of, openapi_document
from shared.messages import BATCHER_TO_CONDUCTOR, UPSTREAM_TO_CONDUCTOR
from tests.unit.http_world import BATCHER, HOOK_KEY, Service


class Wallet(BaseModel):
    """A part of an answer."""

    address: str


class Tick(BaseModel):
    """An answer."""

    total_pending: str = Field(description="USD, 6 decimals")
    wallet: Wallet


def handle(_incoming: object) -> Answer:
    return Answer(200, {})


def described(*routes: Route, role: str = "conductor", service: str = "GCHostPay1") -> ServiceDescription:
    return ServiceDescription(service, role, routes)


def operation(document: dict[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def test_every_route_of_a_built_service_is_in_the_document() -> None:
    document = openapi_document([description_of(Service().app)])
    assert list(document["paths"]) == [
        "/GCHostPay1/",
        "/GCHostPay1/json",
        "/GCHostPay1/tick",
        "/GCHostPay1/health",
        "/GCHostPay1/live",
    ]
    assert document["openapi"] == "3.1.0"


def test_a_token_route_names_the_messages_and_edges_that_it_takes() -> None:
    route = Route("/", handle, [BATCHER], edges=(UPSTREAM_TO_CONDUCTOR, BATCHER_TO_CONDUCTOR))
    post = operation(openapi_document([described(route)]), "/GCHostPay1/")
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["token"]
    kinds = " or ".join(kind.__name__ for edge in route.edges for kind in edge.messages)
    assert kinds.startswith("InstantPayout or PayBatch")
    assert schema["properties"]["token"]["description"] == (
        f"A sealed {kinds}; accepted from upstream>conductor:/, batcher>conductor:/."
    )
    assert {"$ref": "#/components/schemas/Refused"} in post["responses"]["200"]["content"]["application/json"][
        "schema"
    ]["anyOf"]


def test_models_and_plain_schemas_describe_bodies_and_answers() -> None:
    doc = RouteDoc("Check.", request={"type": "object", "required": ["a"]}, response=Tick, errors=("b_code", "a_code"))
    post = operation(
        openapi_document([described(Route("/check", handle, [BATCHER], body="json", doc=doc))]), "/GCHostPay1/check"
    )
    assert post["summary"] == "Check."
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"type": "object", "required": ["a"]}
    answer = post["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["wallet"]["properties"]["address"] == {"title": "Address", "type": "string"}
    assert "$defs" not in answer
    assert post["responses"]["4XX"]["description"] == "Codes of this route: a_code, b_code."


def test_the_document_says_who_may_call() -> None:
    routes = (
        Route("/a", handle, [BATCHER], body="ignored"),
        Route("/b", handle, [BATCHER], body="json", signature_key=HOOK_KEY),
    )
    document = openapi_document([described(*routes)])
    assert operation(document, "/GCHostPay1/a")["security"] == [{"identity": []}]
    assert "requestBody" not in operation(document, "/GCHostPay1/a")
    assert operation(document, "/GCHostPay1/b")["security"] == [{"identity": []}, {"signature": []}]
    assert operation(document, "/GCHostPay1/health", "get")["security"] == []
    assert HOOK_KEY not in json.dumps(document)
    assert BATCHER not in json.dumps(document)


def test_the_document_does_not_depend_on_the_order_of_its_input() -> None:
    one = described(Route("/b", handle, [BATCHER], body="ignored"), Route("/a", handle, [BATCHER], body="ignored"))
    two = described(Route("/", handle, [BATCHER], body="ignored"), role="intake", service="GCAccumulator")
    assert json.dumps(openapi_document([one, two])) == json.dumps(openapi_document([two, one]))
    assert next(iter(openapi_document([one, two])["paths"])) == "/GCAccumulator/"


def test_every_reference_and_operation_id_of_the_document_is_good() -> None:
    document = openapi_document([description_of(Service().app)])
    text = json.dumps(document)
    for schema in document["components"]["schemas"]:
        assert f"#/components/schemas/{schema}" in text
    ids = [each["operationId"] for path in document["paths"].values() for key, each in path.items() if key != "servers"]
    assert len(ids) == len(set(ids)) == 5
