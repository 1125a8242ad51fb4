"""The exchange's HTTP interface, version 2: finds the route, admits the partner, lets faults strike, answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from shared.sandbox.fault_board import FaultBoard
from shared.sandbox.faulty_http import Asked, Told
from shared.sandbox.journal import Journal

from .actions import ActionRoutes
from .numbers import read_json, write_json
from .ordering import OrderRoutes
from .partners import Partners
from .quotes import QuoteRoutes
from .refusals import ApiRefusal, PlainUnauthorized, not_valid

PREFIX = "/v2"
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"

Route = Callable[[str, Mapping[str, Any]], Any]


class Lost(Exception):
    """No answer: the connection is closed."""


class Api:
    """Answers everything below `/v2`."""

    def __init__(
        self,
        quotes: QuoteRoutes,
        orders: OrderRoutes,
        actions: ActionRoutes,
        partners: Partners,
        board: FaultBoard,
        journal: Journal,
    ) -> None:
        self._partners, self._board, self._journal = partners, board, journal
        # (method, path below /v2) -> (name for faults and permissions, route)
        self._routes: dict[tuple[str, str], tuple[str, Route]] = {
            ("GET", "/exchange/currencies"): ("currencies", quotes.currencies),
            ("GET", "/exchange/available-pairs"): ("available-pairs", quotes.available_pairs),
            ("GET", "/exchange/min-amount"): ("min-amount", quotes.min_amount),
            ("GET", "/exchange/range"): ("range", quotes.range),
            ("GET", "/exchange/estimated-amount"): ("estimated-amount", quotes.estimated_amount),
            ("GET", "/exchange/network-fee"): ("network-fee", quotes.network_fee),
            ("GET", "/validate/address"): ("validate", quotes.validate),
            ("POST", "/exchange"): ("create", orders.create),
            ("GET", "/exchange/by-id"): ("by-id", orders.by_id),
            ("GET", "/exchanges"): ("list", orders.list),
            ("GET", "/exchange/actions"): ("actions", actions.actions),
            ("POST", "/exchange/continue"): ("continue", actions.resume),
            ("POST", "/exchange/refund"): ("refund", actions.refund),
        }

    def answer(self, asked: Asked) -> Told | None:
        """One request; None = the connection is closed without an answer."""
        found = self._routes.get((asked.method, asked.path.removeprefix(PREFIX)))
        if found is None or not asked.path.startswith(PREFIX + "/"):
            return _told({"error": "not_found", "message": "Not found"}, 404)
        name, route = found
        try:
            self._strike_before(name)
            told = self._handle(name, route, asked)
            told = self._strike_after(name, told)
        except Lost:
            self._journal.write("request_answered", route=name, status=None)
            return None
        except _Instead as other:
            told = other.told
        self._journal.write("request_answered", route=name, status=told.status)
        return told

    def _handle(self, name: str, route: Route, asked: Asked) -> Told:
        try:
            partner = self._partners.admit(name, asked.headers)
            return _told(route(partner, _parameters(asked)))
        except PlainUnauthorized:
            return Told(401, b"Unauthorized", "text/plain; charset=utf-8")
        except ApiRefusal as refusal:
            return _told(refusal.body(), refusal.status)

    def _strikes(self, fault: str, route: str) -> Mapping[str, Any] | None:
        fields = self._board.strikes(fault, route)
        if fields is not None:
            self._journal.write("fault_struck", fault=fault, route=route)
        return fields

    def _strike_before(self, name: str) -> None:
        if self._strikes("drop_before_commit", name) is not None:
            raise Lost
        if self._strikes("rate_limited", name) is not None:
            raise _Instead(Told(429, b""))
        if self._strikes("html_502", name) is not None:
            raise _Instead(Told(502, HTML, "text/html"))
        if self._strikes("pair_inactive", name) is not None:
            raise _Instead(_told({"error": "pair_is_inactive", "message": "Pair is inactive"}, 400))

    def _strike_after(self, name: str, told: Told) -> Told:
        """The request was executed; what happens to its answer?"""
        if (late := self._strikes("delay", name)) is not None:
            time.sleep(float(late["seconds"]))
        if self._strikes("drop_after_commit", name) is not None:
            raise Lost
        if self._strikes("error_after_commit", name) is not None:
            return Told(500, b"Internal Server Error", "text/plain; charset=utf-8")
        if self._strikes("truncated_json", name) is not None:
            return Told(told.status, told.body[: len(told.body) // 2])
        if self._strikes("cut_short", name) is not None:
            return Told(told.status, told.body, cut=True)
        if (twice := self._strikes("duplicate_keys", name)) is not None:
            pair = f"{json.dumps(twice['field'])}:{json.dumps(twice['value'])}"
            return Told(told.status, b"{" + pair.encode() + b"," + told.body[1:])
        if (envelope := self._strikes("error_envelope_200", name)) is not None:
            return _told(dict(envelope))
        if (missing := self._strikes("missing_fields", name)) is not None:
            shown = read_json(told.body)
            return _told({key: value for key, value in shown.items() if key not in missing["fields"]}, told.status)
        return told


class _Instead(Exception):
    """A fault's answer in place of the route's."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.status)
        self.told = told


def _parameters(asked: Asked) -> Mapping[str, Any]:
    if asked.method == "GET":
        return asked.query
    if not asked.headers.get("content-type", "").startswith("application/json"):
        raise not_valid("Content-Type must be application/json")
    try:
        body = read_json(asked.body)
    except ValueError:
        raise not_valid("Request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise not_valid("Request body must be an object")
    return body


def _told(value: Any, status: int = 200) -> Told:
    return Told(status, write_json(value).encode())
