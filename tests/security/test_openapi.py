"""Schemathesis against the committed OpenAPI document: what is written there is what the real applications do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.wrappers import Response

from tests.security.house import House, message_kinds
from tests.security.tokens import sealed

DOCUMENT: Final = json.loads((Path(__file__).parents[2] / "deploy" / "openapi.json").read_text())
CONFORMS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES: Final = 8
_OPERATIONS: Final = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in item if method in ("get", "post")
]
every_operation = pytest.mark.parametrize(("path", "method"), _OPERATIONS, ids=[path for path, _ in _OPERATIONS])


class Fleet:
    """One WSGI application of all five: the first part of a path is the service, as the document says."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/openapi.json":
            return Response(json.dumps(DOCUMENT), mimetype="application/json")(environ, start_response)
        service, _, rest = path.removeprefix("/").partition("/")
        return self._house.apps[service](environ | {"PATH_INFO": "/" + rest}, start_response)


@pytest.fixture(scope="module")
def schema(shared_house: House) -> Any:
    load_all_checks()
    return schemathesis.openapi.from_wsgi("/openapi.json", Fleet(shared_house))


def tried(schema: Any, path: str, method: str, attack: Callable[[Any], None], seconds: int, mode: str) -> None:
    """The attack with generated cases, always the same ones unless it may take longer."""
    operation = schema[path][method.upper()]

    @settings(
        max_examples=EXAMPLES if not seconds else 100 * seconds,
        derandomize=not seconds,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    def attacked(case: Any) -> None:
        attack(case)

    attacked()


@every_operation
def test_a_caller_with_an_identity_gets_what_the_document_says(
    house: House, schema: Any, path: str, method: str, fuzz_seconds: int
) -> None:
    headers = identity_for(house, path)

    def attack(case: Any) -> None:
        answer = case.call(headers=headers)
        assert answer.status_code in ((200, 503) if path.endswith("/health") else (200, 400, 409)), answer.text
        case.validate_response(answer, CONFORMS)

    tried(schema, path, method, attack, fuzz_seconds, "positive")


@every_operation
def test_a_caller_with_an_identity_and_a_body_that_breaks_the_document_gets_what_it_says(
    house: House, schema: Any, path: str, method: str, fuzz_seconds: int
) -> None:
    if "requestBody" not in DOCUMENT["paths"][path][method]:
        assert path.endswith(("/health", "/live", "/sweep", "/check-threshold"))  # nothing of a body is read there
        return
    headers = identity_for(house, path)

    def attack(case: Any) -> None:
        case.headers = {**(case.headers or {}), **headers}  # a spoilt identity is another test's matter
        answer = case.call()
        # The intake takes numbers also as texts, as its upstreams always sent them.
        assert answer.status_code in ((200, 400, 409, 411) if path == "/GCAccumulator/" else (400, 411)), answer.text
        case.validate_response(answer, [not_a_server_error, *CONFORMS])

    tried(schema, path, method, attack, fuzz_seconds, "negative")


@every_operation
def test_a_caller_without_an_identity_gets_401_or_nothing_to_see(
    house: House, schema: Any, path: str, method: str, fuzz_seconds: int
) -> None:
    open_to_all = path.endswith(("/health", "/live"))

    def attack(case: Any) -> None:
        answer = case.call()
        case.validate_response(answer, CONFORMS)
        if not open_to_all:
            assert answer.status_code == 401, answer.text

    with house.nothing_changes():
        tried(schema, path, method, attack, fuzz_seconds, "positive")


@every_operation
def test_the_document_demands_an_identity_wherever_one_is_needed(path: str, method: str) -> None:
    security = DOCUMENT["paths"][path][method]["security"]
    open_to_all = path.endswith(("/health", "/live"))
    assert (security == []) == open_to_all
    assert open_to_all or {"identity": []} in security


@pytest.mark.parametrize("as_task", [False, True], ids=["direct", "as a task"])
def test_genuine_and_spoilt_tokens_of_every_kind_get_what_the_document_says(
    house: House, schema: Any, as_task: bool
) -> None:
    for edge, kind in message_kinds():
        door = next(door for door in house.doors if door.edge == edge)
        path = f"/{door.service}{door.route.path}"
        headers = (
            identity_for(house, path)
            if len(door.route.edges) == 1
            else house.identity(house.caller(door), door.service)
        )
        for ahead in (timedelta(0), timedelta(days=-3)):
            case = schema[path]["POST"].Case(
                body={"token": sealed(edge, house.keyring, kind, ahead=ahead)}, media_type="application/json"
            )
            answer = case.call(headers=headers | ({"X-CloudTasks-TaskName": f"{kind}{ahead}"} if as_task else {}))
            assert answer.status_code not in (403, 404), (kind, answer.text)
            assert not as_task or answer.json()["status"] != "error" or answer.status_code >= 500, (kind, answer.text)
            case.validate_response(answer, CONFORMS)


def identity_for(house: House, path: str) -> dict[str, str]:
    """The headers of a rightful caller of this path."""
    service, _, rest = path.removeprefix("/").partition("/")
    door = next((door for door in house.doors if (door.service, door.route.path) == (service, f"/{rest}")), None)
    return {} if door is None else house.identity(house.caller(door), service)
