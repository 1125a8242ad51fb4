"""The skeleton of a service: identity before body, body before token, token before handler; errors become JSON here.

A handler returns an `Answer` or raises one of the four reactions. What happens then is decided in this file alone:

| raised | a direct caller gets | a Cloud Tasks delivery gets |
|---|---|---|
| Refused | its 4xx with field and rule | the refusal is committed, then 200 `refused`: a repeat cannot help |
| TryLater, Unknown | 503 and Retry-After | the same: the queue delivers again |
| Broken | 500 and an alert | the same |
| anything else | 500 `internal_error` and an alert | the same |
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect

from shared.http.entrance import Entrance, new_reference
from shared.http.errors import IdentityUnproven
from shared.http.health import Component, Health
from shared.http.identity import IdentityVerifier, IssuerKeys
from shared.http.openapi import ServiceDescription
from shared.http.roles import SERVICE_OF_ROLE
from shared.http.routing import Json, RefuseMessage, Route
from shared.http.settings import ServiceSettings
from shared.http.stream import drain
from shared.messages import Keyring
from shared.queue.renewal import Keys, keys_of
from shared.telemetry import get_logger

_EXTENSION = "gcpay"
_SECOND_IDENTITY = "X-Serverless-Authorization"
_CODE_OF_STATUS = {404: "not_found", 405: "method_not_allowed", 500: "internal_error"}
_SENTENCE_OF_STATUS = {
    404: "There is no such route.",
    405: "This route does not answer to this method.",
    500: "The call failed for a reason that is ours; the reference finds it in the log.",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


def utc_now() -> datetime:
    """The wall clock, read once per task and handed on as an argument."""
    return datetime.now(UTC)


def create_service(
    settings: ServiceSettings,
    role: str,
    routes: Sequence[Route],
    health: Sequence[Component],
    refuse: RefuseMessage | None,
    *,
    keyring: Keyring | None = None,
    keys: Keys | None = None,
    clock: Callable[[], datetime] = utc_now,
    verifier: IdentityVerifier | None = None,
) -> Flask:
    """The WSGI application of one service: its routes, /health and /live. Opens no connection and starts nothing.

    `refuse` commits a task's refused message; None only for a service without a database, whose refusals are alerts in
    the log. `keyring` opens tokens and is needed as soon as one route takes them; `keys` says where it is read
    anew, if not as the settings say.
    """
    if keyring is None and any(route.body == "token" for route in routes):
        raise ValueError("a service with token routes needs a keyring")
    if keyring is not None:
        keys = keys or keys_of(settings, keyring)
    description = ServiceDescription(service=SERVICE_OF_ROLE[role], role=role, routes=tuple(routes))
    app = Flask(role, static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False  # a redirect would be the framework's own page
    app.extensions[_EXTENSION] = description
    identities = verifier or IdentityVerifier(
        [settings.service_url],
        settings.oidc_issuers,
        IssuerKeys(settings.oidc_certs_url),
        behind_cloud_run=settings.identity_checked_by == "cloud_run",
    )
    for route in routes:
        app.add_url_rule(
            route.path,
            endpoint=route.path,
            view_func=Entrance(
                service=description.service,
                route=route,
                identities=identities,
                keys=keys,
                refuse=refuse,
                clock=clock,
                max_body_bytes=settings.max_body_bytes,
            ),
            methods=["POST"],
            provide_automatic_options=False,
        )
    _add_health(app, description.service, settings.build_id, Health(health), clock)
    app.before_request(_no_way_beside)
    app.register_error_handler(HTTPException, _framework_error)
    app.after_request(_with_headers)
    return app


def description_of(app: Flask) -> ServiceDescription:
    """The routes that an application was created with, for the OpenAPI document."""
    description = app.extensions[_EXTENSION]
    assert isinstance(description, ServiceDescription)
    return description


def _add_health(app: Flask, service: str, version: str, health: Health, clock: Callable[[], datetime]) -> None:
    def facts(status: str) -> dict[str, object]:
        return {
            "status": status,
            "service": service,
            "timestamp": clock().isoformat(timespec="milliseconds"),
            "version": version,
        }

    def show_health() -> Response:
        report = health.report()
        body = facts("healthy" if report.able else "unhealthy") | {"components": report.components}
        return _json(body, 200 if report.able else 503)

    def show_life() -> Response:
        return _json(facts("alive"), 200)

    app.add_url_rule("/health", "health", show_health, methods=["GET"], provide_automatic_options=False)
    app.add_url_rule("/live", "live", show_life, methods=["GET"], provide_automatic_options=False)


def _no_way_beside() -> Response | None:
    """A path has one spelling, and a call has one identity.

    The framework takes several slashes for one; a proxy in front of us may read another path than we do. Of two
    identities Cloud Run's IAM checks the one in X-Serverless-Authorization and passes `Authorization` on as it came:
    who may call at all could then write there whom he likes, the words for a removed signature included.
    """
    rule = request.url_rule
    if rule is None:
        return None
    if request.environ["PATH_INFO"] != rule.rule:
        return _framework_error(NotFound())
    if request.method == "POST" and _SECOND_IDENTITY in request.headers:
        get_logger().info("call_refused", code=IdentityUnproven.code, reason="two identities", route=rule.rule)
        body = {
            "status": "error",
            "code": IdentityUnproven.code,
            "message": f"An identity travels in Authorization alone, without {_SECOND_IDENTITY}.",
            "reference": new_reference(),
            "field": _SECOND_IDENTITY,
        }
        response = _json(body, IdentityUnproven.http_status)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return None


def _framework_error(error: HTTPException) -> Response:
    """What Flask refuses before any route is entered, in the same shape as everything else."""
    status = error.code or 500
    body = {
        "status": "error",
        "code": _CODE_OF_STATUS.get(status, "request_refused" if status < 500 else "internal_error"),
        "message": _SENTENCE_OF_STATUS.get(status, "The request cannot be served."),
        "reference": new_reference(),
    }
    response = _json(body, status)
    allowed = getattr(error, "valid_methods", None)
    if status == 405 and allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _json(body: Json, status: int) -> Response:
    return Response(json.dumps(body), status=status, mimetype="application/json")


def _with_headers(response: Response) -> Response:
    if isinstance(request.routing_exception, RequestRedirect):
        response = _framework_error(NotFound())  # never send a caller elsewhere, least of all on the framework's page
    for name, value in _HEADERS.items():
        response.headers[name] = value
    environ = request.environ
    response.call_on_close(lambda: drain(environ))
    return response
