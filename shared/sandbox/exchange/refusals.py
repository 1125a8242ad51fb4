"""The exchange's error envelope: `{"error": code, "message": text}`, with the statuses of its documentation."""

from __future__ import annotations

from typing import Any


class ApiRefusal(Exception):
    """A refusal as the exchange would write it; `payload` is present for an amount out of range."""

    def __init__(self, status: int, code: str, message: str, payload: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.payload = payload

    def body(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        envelope: dict[str, Any] = {"error": self.code, "message": self.message}
        return envelope | ({"payload": self.payload} if self.payload is not None else {})


class PlainUnauthorized(Exception):
    """A missing key is refused in plain text, not JSON."""


def not_valid(message: str) -> ApiRefusal:
    """A parameter is missing or makes no sense."""
    return ApiRefusal(400, "not_valid_params", message)


def not_found() -> ApiRefusal:
    """No such exchange."""
    return ApiRefusal(404, "not_found", "Exchange not found")
