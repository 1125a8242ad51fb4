"""Bodies: bounded before they are read, one JSON object, numbers as the exact text they were sent as."""

import time
from io import BytesIO

import pytest

from shared.http.body import MAX_DEPTH, JsonNumber, announced_length, parse_object, read_exactly
from shared.http.errors import BodyIncomplete, BodyTooLarge, JsonMalformed, LengthMissing
from shared.http.stream import drain, patient_stream


@pytest.mark.parametrize(
    "text", ["1.35", "0.10", "1e400", "-0", "8e-3", "123456789012345678901234567890.000000000000000001"]
)
def test_a_number_arrives_as_the_text_it_was_sent_as(text: str) -> None:
    number = parse_object(b'{"amount": ' + text.encode() + b"}")["amount"]
    assert isinstance(number, JsonNumber)
    assert number == text


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    amount = parse_object(b'{"amount": "1.35"}')["amount"]
    assert amount == "1.35"
    assert not isinstance(amount, JsonNumber)


def test_true_false_null_lists_and_objects_arrive_as_they_are() -> None:
    assert parse_object(b'{"a": true, "b": null, "c": [1, {"d": ""}]}') == {"a": True, "b": None, "c": ["1", {"d": ""}]}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "not a list"),
        (b'"text"', "not a text"),
        (b"17", "not a number"),
        (b"null", "not null"),
        (b"true", "not true or false"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "The field a must be a finite number"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": ["\\ud800"]}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", "nested deeper"),
        (b"[" * 60_000, "nested deeper"),
    ],
)
def test_what_is_not_one_json_object_is_refused_with_the_broken_rule(raw: bytes, says: str) -> None:
    with pytest.raises(JsonMalformed, match=says) as refused:
        parse_object(raw)
    assert refused.value.http_status == 400
    assert refused.value.rule


def test_a_repeated_field_is_named() -> None:
    with pytest.raises(JsonMalformed) as refused:
        parse_object(b'{"payment_amount_usd": 1, "payment_amount_usd": 100}')
    assert refused.value.field == "payment_amount_usd"


def test_brackets_inside_texts_are_not_depth() -> None:
    assert parse_object(b'{"a": "' + b"[" * 100 + b'\\"{{{"}')["a"].startswith("[[")


def test_the_deepest_allowed_nesting_is_read() -> None:
    nested = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert "a" in parse_object(nested)


def test_an_endless_text_full_of_escapes_is_scanned_once() -> None:
    began = time.monotonic()
    with pytest.raises(JsonMalformed):
        parse_object(b'{"a": "' + b'\\"' * 32_000)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("length", ["0", "1", "65536"])
def test_a_length_within_the_limit_is_taken(length: str) -> None:
    assert announced_length(length, None, 65_536) == int(length)


def test_no_body_at_all_has_no_length() -> None:
    assert announced_length(None, None, 65_536) is None


@pytest.mark.parametrize("length", ["65537", "20000000", "9" * 40])
def test_a_body_over_the_limit_is_refused_by_its_announcement(length: str) -> None:
    with pytest.raises(BodyTooLarge) as refused:
        announced_length(length, None, 65_536)
    assert refused.value.http_status == 413


@pytest.mark.parametrize(
    ("length", "coding"), [(None, "chunked"), ("5", "chunked"), ("-1", None), ("5 ", None), ("٣", None)]
)
def test_a_body_without_a_whole_announced_length_is_refused(length: str | None, coding: str | None) -> None:
    with pytest.raises(LengthMissing) as refused:
        announced_length(length, coding, 65_536)
    assert refused.value.http_status == 411


def test_a_body_is_read_to_its_announced_end_and_no_further() -> None:
    stream = BytesIO(b"x" * 50_000 + b"next request")
    assert read_exactly(stream, 50_000) == b"x" * 50_000
    assert stream.read() == b"next request"


def test_a_body_that_ends_early_is_no_body() -> None:
    with pytest.raises(BodyIncomplete):
        read_exactly(BytesIO(b'{"amount": 1'), 20)


class Connection:
    """The socket under a request."""

    def __init__(self) -> None:
        self.timeout: float | None = None
        self.limits: list[float | None] = []

    def gettimeout(self) -> float | None:
        return self.timeout

    def settimeout(self, limit_s: float | None) -> None:
        self.timeout = limit_s
        self.limits.append(limit_s)


class Standstill(BytesIO):
    """A body whose sender stands still."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise TimeoutError


def test_a_sender_who_stands_still_gets_408_and_may_come_again() -> None:
    connection = Connection()
    environ = {"wsgi.input": Standstill(), "gunicorn.socket": connection}
    with pytest.raises(BodyIncomplete) as postponed, patient_stream(environ) as stream:
        read_exactly(stream, 10)
    assert postponed.value.http_status == 408
    assert connection.limits == [10.0, None]


def test_a_body_that_was_not_read_is_read_away_within_bounds() -> None:
    refused = BytesIO(b"x" * 40_000_000)
    drain({"wsgi.input": refused, "CONTENT_LENGTH": "40000000"})
    assert 32 * 1024 * 1024 <= refused.tell() < 34 * 1024 * 1024


def test_a_body_that_was_read_is_left_alone() -> None:
    stream = BytesIO(b"next request")
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": "12"}
    with patient_stream(environ) as body:
        assert body.read(4) == b"next"
    drain(environ)
    drain({"wsgi.input": stream, "CONTENT_LENGTH": ""})
    assert stream.read() == b" request"


def test_a_caller_who_left_cannot_disturb_the_server() -> None:
    drain({"wsgi.input": Standstill(), "CONTENT_LENGTH": "10", "gunicorn.socket": Connection()})
