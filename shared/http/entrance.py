"""The entrance of one route: what is checked, in which order, before a handler runs, and what its errors become."""

import contextlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response, request

from shared.http.body import JsonNumber, announced_length, parse_object, read_exactly
from shared.http.catching import caught
from shared.http.errors import (
    UNEXPECTED_CODE,
    UNEXPECTED_SENTENCE,
    CallerNotAllowed,
    KeyNotKnownYet,
    LengthMissing,
    RefusalNotStored,
    TokenMissing,
    sentence_for_caller,
)
from shared.http.identity import IdentityVerifier, require_caller
from shared.http.routing import Answer, Incoming, Json, RefusedMessage, RefuseMessage, Route
from shared.http.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, check_signature, check_signature_headers
from shared.http.stream import patient_stream
from shared.lifecycle.reactions import Broken, Reaction, Refused, TryLater, Unknown
from shared.messages import Opened, TokenForeign, TokenKeyUnknown, open_sealed
from shared.queue.renewal import Keys, Renewal
from shared.telemetry import alert, bind, get_logger, new_span, task_context, trace_of_call

TASK_NAME_HEADER = "X-CloudTasks-TaskName"
REFERENCE_HEADER = "X-Reference"
TRACE_HEADER = "X-Trace"
_RETRY_AFTER_S = 5
_ROTATION = timedelta(hours=1)  # by then every instance of the fleet has the newer key
_CLOCKS_APART = timedelta(seconds=5)  # as far as a producer may be ahead of us
_LONGEST_TASK_NAME = 500


def new_reference() -> str:
    """The id under which a caller's answer is found in the log."""
    return secrets.token_hex(8)


@dataclass
class _Call:
    """What is known of the call so far; the error path reads it, whatever step it failed in."""

    now: datetime
    reference: str
    trace: str
    caller: str | None = None
    task_name: str | None = None
    opened: Opened | None = None
    code: str | None = None


@dataclass(frozen=True, eq=False)
class Entrance:
    """A Flask view: proves the caller, reads the body, opens the token, calls the handler, translates its errors."""

    service: str
    route: Route
    identities: IdentityVerifier
    keys: Keys | None
    refuse: RefuseMessage | None
    clock: Callable[[], datetime]
    max_body_bytes: int

    def __call__(self) -> Response:
        """Answer one request. Never raises."""
        started_s = time.monotonic()
        call = _Call(now=self.clock(), reference=new_reference(), trace=trace_of_call(request.headers))
        with task_context(trace=call.trace, span=new_span(), reference=call.reference, route=self.route.path):
            outcome = caught(lambda: _rendered(self._handle(call)))
            response = self._failed(call, outcome) if isinstance(outcome, Exception) else outcome
            response.headers[REFERENCE_HEADER] = call.reference
            response.headers[TRACE_HEADER] = call.trace
            get_logger().info(
                "request_answered",
                method="POST",
                http_status=response.status_code,
                code=call.code,
                caller=call.caller,
                task_name=call.task_name,
                duration_ms=round((time.monotonic() - started_s) * 1000),
            )
            return response

    def _handle(self, call: _Call) -> Answer:
        raw = self._prove_caller_and_read(call)
        bind(caller=call.caller)
        body: Json = {}
        if self.route.body != "ignored":
            body = parse_object(raw)
        if self.route.body == "token":
            call.opened = self._open(body, call)
            bind(message_id=call.opened.message_id.hex(), edge=call.opened.edge.name)
            self._require_caller_of_edge(call, call.opened)
            body = {}
        assert call.caller is not None
        return self.route.handle(
            Incoming(
                now=call.now,
                caller=call.caller,
                trace=call.trace,
                reference=call.reference,
                task_name=call.task_name,
                opened=call.opened,
                body=body,
            )
        )

    def _prove_caller_and_read(self, call: _Call) -> bytes:
        """Identity first. Only a signature needs the body for its proof; its other headers are checked before that."""
        headers = request.headers
        key = self.route.signature_key
        if key is not None and SIGNATURE_HEADER in headers and "Authorization" not in headers:
            signature, timestamp = check_signature_headers(
                headers.get(SIGNATURE_HEADER), headers.get(TIMESTAMP_HEADER), call.now
            )
            raw = self._read()
            call.caller = check_signature((key,) if isinstance(key, str) else key, signature, timestamp, raw)
            return raw
        identity = self.identities.verify(headers.get("Authorization"))
        call.caller = require_caller(identity, self.route.callers)
        # The header alone proves nothing; behind a verified identity it tells a delivery from a direct call.
        call.task_name = (headers.get(TASK_NAME_HEADER) or "")[:_LONGEST_TASK_NAME] or None
        return self._read()

    def _read(self) -> bytes:
        length = announced_length(
            request.headers.get("Content-Length"), request.headers.get("Transfer-Encoding"), self.max_body_bytes
        )
        if length is None:
            if self.route.body != "ignored":
                raise LengthMissing("A body with Content-Length is required.")
            return b""
        with patient_stream(request.environ) as stream:
            return read_exactly(stream, length)

    def _open(self, body: Json, call: _Call) -> Opened:
        now = call.now
        token = body.get("token")
        if not isinstance(token, str) or isinstance(token, JsonNumber) or not token:
            raise TokenMissing("The body must hold a text field named token.", field="token", rule="sealed token")
        assert self.keys is not None
        tried_with = self.keys.generation
        if self.route.v1 is not None and self.route.v1.is_for(token):
            with contextlib.suppress(TokenForeign):
                return self.route.v1.open(token, now)
            self.keys.renew(tried_with)  # such a token does not name its key: it may be a newer one
            return self.route.v1.open(token, now)
        try:
            return open_sealed(self.route.edges, token, self.keys.keyring, now)
        except TokenKeyUnknown as unknown:
            return self._open_with_newer_keys(token, unknown, self.keys.renew(tried_with), call)

    def _open_with_newer_keys(self, token: str, unknown: TokenKeyUnknown, renewal: Renewal, call: _Call) -> Opened:
        """A token under a newer key than ours waits for us; one that no key of the fleet opens is refused in the end.

        While a rotation or a deployment is under way nobody can tell the two apart: the queue brings it again.
        """
        assert self.keys is not None
        if renewal is Renewal.RENEWED:
            with contextlib.suppress(TokenKeyUnknown):
                return open_sealed(self.route.edges, token, self.keys.keyring, call.now)
        longest = timedelta(seconds=max(edge.max_age_s for edge in self.route.edges))
        age = call.now - unknown.issued_at
        waits = longest if renewal is Renewal.UNREADABLE else _ROTATION
        if call.task_name is not None and -_CLOCKS_APART <= age <= waits:
            raise KeyNotKnownYet("This token is sealed with a key that is not ours, or not yet.") from unknown
        raise unknown

    def _require_caller_of_edge(self, call: _Call, opened: Opened) -> None:
        """Where several producers share a route, each may only bring the tokens of its own edge."""
        allowed = self.route.callers_of_edge.get(opened.edge, self.route.callers)
        if call.caller not in allowed:
            call.task_name = None  # a matter of identity: answered 403 and not stored
            raise CallerNotAllowed("This caller may not bring this kind of token.")

    def _failed(self, call: _Call, error: Exception) -> Response:
        if isinstance(error, Refused) and call.task_name is not None:
            return self._refused_for_good(call, error)
        _tell(error)
        return _error_response(call, error)

    def _refused_for_good(self, call: _Call, error: Refused) -> Response:
        """A queue repeats every answer but 2xx: a message that can never succeed is stored first, then answered 200."""
        stored = caught(lambda: self._store_refusal(call, error))
        if isinstance(stored, Exception):
            alert("message_not_stored", code=error.code, error=type(stored).__name__, exc_info=stored)
            return _error_response(call, RefusalNotStored("The refusal could not be stored."))
        alert("message_refused", code=error.code, reason=error.message, field=error.field, rule=error.rule)
        call.code = error.code
        return _rendered(Answer(200, {"status": "refused", "code": error.code, "reference": call.reference}))

    def _store_refusal(self, call: _Call, error: Refused) -> None:
        if self.refuse is None:
            return
        assert call.caller is not None
        assert call.task_name is not None
        self.refuse(
            RefusedMessage(
                service=self.service,
                route=self.route.path,
                caller=call.caller,
                task_name=call.task_name,
                code=error.code,
                message=error.message,
                reference=call.reference,
                at=call.now,
                field=error.field,
                rule=error.rule,
                trace=call.trace,
                opened=call.opened,
            )
        )


def _tell(error: Exception) -> None:
    """One line per failure, as loud as its kind: a refusal is the caller's business, a broken invariant is ours."""
    cause = type(error.__cause__).__name__ if error.__cause__ is not None else None
    match error:
        case Refused():
            get_logger().info("call_refused", code=error.code, reason=error.message, field=error.field, rule=error.rule)
        case TryLater():
            get_logger().warning("call_postponed", code=error.code, reason=error.message, cause=cause)
        case Unknown():
            get_logger().warning("outcome_unknown", code=error.code, reason=error.message, cause=cause)
        case Broken():
            alert("invariant_broken", code=error.code, reason=error.message, runbook=error.runbook, exc_info=error)
        case _:
            alert("call_failed", code=UNEXPECTED_CODE, error=type(error).__name__, exc_info=error)


def _error_response(call: _Call, error: Exception) -> Response:
    known = error if isinstance(error, Reaction) else None
    call.code = known.code if known else UNEXPECTED_CODE
    status = known.http_status if known else 500
    body: dict[str, object] = {
        "status": "error",
        "code": call.code,
        "message": sentence_for_caller(known) if known else UNEXPECTED_SENTENCE,
        "reference": call.reference,
    }
    if isinstance(known, Refused):
        body |= {name: value for name, value in (("field", known.field), ("rule", known.rule)) if value}
    response = _rendered(Answer(status, body))
    if status == 503:
        response.headers["Retry-After"] = str(getattr(error, "retry_after_s", _RETRY_AFTER_S))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _rendered(answer: Answer) -> Response:
    text = json.dumps(dict(answer.body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, status=answer.status, mimetype="application/json")
