"""The OpenAPI document of the fleet, built from the route tables that the services really serve."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from shared.http.routing import Json, Route, RouteDoc

_ERROR_STATUSES: tuple[tuple[str, str], ...] = (
    ("400", "The body or the token is not what this route reads; `field` and `rule` say why."),
    ("401", "No valid identity, or a token that was not sealed for this route or has expired."),
    ("403", "The caller is proven and not on this route's list."),
    ("411", "The body must announce its length."),
    ("413", "The body is larger than the limit."),
    ("500", "Ours: the reference finds it in the log; a person has been told."),
    ("503", "Not now: the same call may be repeated after Retry-After seconds."),
)

_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "code", "message", "reference"],
    "properties": {
        "status": {"const": "error"},
        "code": {"type": "string", "description": "stable snake_case"},
        "message": {"type": "string", "description": "a sentence for the reader"},
        "reference": {"type": "string", "description": "finds the call in the log"},
        "field": {"type": "string"},
        "rule": {"type": "string"},
    },
}
_HEALTH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "service", "timestamp", "version", "components"],
    "properties": {
        "status": {"enum": ["healthy", "unhealthy"]},
        "service": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "version": {"type": "string"},
        "components": {"type": "object", "additionalProperties": {"enum": ["healthy", "unhealthy", "unknown"]}},
    },
}
_LIFE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "service", "timestamp", "version"],
    "properties": {
        "status": {"const": "alive"},
        "service": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "version": {"type": "string"},
    },
}
_REFUSED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "code", "reference"],
    "properties": {"status": {"const": "refused"}, "code": {"type": "string"}, "reference": {"type": "string"}},
}


@dataclass(frozen=True)
class ServiceDescription:
    """What a service serves: the input of the document. `description_of(app)` gives the one of a built service."""

    service: str
    role: str
    routes: tuple[Route, ...]


def openapi_document(services: Iterable[ServiceDescription]) -> dict[str, Any]:
    """OpenAPI 3.1 for all routes, in a stable order, so that the committed file can be compared byte by byte.

    Paths are prefixed with the service's name, because five services share "/"; each path names its own server.
    """
    paths: dict[str, Any] = {}
    for service in sorted(services, key=lambda each: each.service):
        for route in sorted(service.routes, key=lambda each: each.path):
            paths[_path(service, route.path)] = {"servers": [_server(service)], "post": _operation(service, route)}
        paths[_path(service, "/health")] = {
            "servers": [_server(service)],
            "get": _probe(service, "health", "Can the service do its job?", _HEALTH_SCHEMA, unable=True),
        }
        paths[_path(service, "/live")] = {
            "servers": [_server(service)],
            "get": _probe(service, "live", "Is the process running?", _LIFE_SCHEMA, unable=False),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Micro-batch conversion fleet",
            "version": "1",
            "description": "Five services; the first part of each path is the service, the rest is its route.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR_SCHEMA, "Refused": _REFUSED_SCHEMA},
            "securitySchemes": {
                "identity": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Google OIDC identity token; the audience is the service's own URL.",
                },
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Signature",
                    "description": "hex HMAC-SHA256 of '<X-Request-Timestamp>:<body>', within 300 seconds.",
                },
            },
        },
    }


def _path(service: ServiceDescription, route: str) -> str:
    return f"/{service.service}{route}"


def _server(service: ServiceDescription) -> dict[str, str]:
    return {"url": f"https://{service.role}.example", "description": f"{service.service}, the {service.role}"}


def _operation(service: ServiceDescription, route: Route) -> dict[str, Any]:
    doc = route.doc or RouteDoc(summary=f"{route.path} of the {service.role}")
    operation: dict[str, Any] = {
        "operationId": _operation_id(service, route.path),
        "tags": [service.service],
        "summary": doc.summary,
        "security": [{"identity": []}] + ([{"signature": []}] if route.signature_key is not None else []),
        "responses": _responses(route, doc),
    }
    body = _request_body(route, doc)
    if body is not None:
        operation["requestBody"] = body
    return operation


def _operation_id(service: ServiceDescription, path: str) -> str:
    words = path.strip("/").replace("-", "_").replace("/", "_")
    return f"{service.role}_{words or 'root'}"


def _request_body(route: Route, doc: RouteDoc) -> dict[str, Any] | None:
    if route.body == "ignored":
        return None
    if route.body == "token":
        schema: Json = {
            "type": "object",
            "required": ["token"],
            "properties": {"token": {"type": "string", "description": _token_description(route)}},
        }
    else:
        schema = _schema(doc.request)
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _token_description(route: Route) -> str:
    kinds = [message.__name__ for edge in route.edges for message in edge.messages]
    return f"A sealed {' or '.join(kinds)}; accepted from {', '.join(edge.name for edge in route.edges)}."


def _responses(route: Route, doc: RouteDoc) -> dict[str, Any]:
    done: dict[str, Any] = _schema(doc.response)
    if route.body == "token":
        done = {"anyOf": [done, {"$ref": "#/components/schemas/Refused"}]}
    responses: dict[str, Any] = {
        "200": {"description": "Done, or durably intended.", "content": {"application/json": {"schema": done}}}
    }
    for status, description in _ERROR_STATUSES:
        responses[status] = {
            "description": description,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    if doc.errors:
        responses["4XX"] = {
            "description": f"Codes of this route: {', '.join(sorted(doc.errors))}.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return responses


def _probe(
    service: ServiceDescription, name: str, summary: str, schema: Mapping[str, Any], *, unable: bool
) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    responses: dict[str, Any] = {"200": {"description": "Yes.", "content": content}}
    if unable:
        responses["503"] = {"description": "No.", "content": content}
    return {
        "operationId": f"{service.role}_{name}",
        "tags": [service.service],
        "summary": summary,
        "security": [],
        "responses": responses,
    }


def _schema(given: type[Any] | Json | Sequence[Any] | None) -> dict[str, Any]:
    if given is None:
        return {"type": "object"}
    if isinstance(given, type) and issubclass(given, BaseModel):
        return _inlined(given.model_json_schema())
    if isinstance(given, Mapping):
        return dict(given)
    raise TypeError("a route's schema is a pydantic model class or a JSON schema")


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A model's schema without `$defs`: references into it would point to the wrong place in the document."""
    definitions = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str):
                return resolve(definitions[reference.rpartition("/")[2]])
            return {key: resolve(value) for key, value in part.items()}
        if isinstance(part, list):
            return [resolve(item) for item in part]
        return part

    resolved = resolve(schema)
    assert isinstance(resolved, dict)
    return resolved
