"""Identity tokens: everything about them is checked, and checking them cannot be used against us."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from shared.http.errors import CallerNotAllowed, IdentityUncheckable, IdentityUnproven
from shared.http.identity import Identity, IdentityVerifier, IssuerKeys, require_caller
from shared.sandbox.identity.key import IdentityKey
from tests.unit.http_world import AUDIENCE, BATCHER, ISSUER, KnownKeys, foreign_key, issuer_key, unsigned


def verifier() -> IdentityVerifier:
    return IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key()))


def minted(caller: str = BATCHER, audience: str = AUDIENCE, lifetime_s: int = 3600, **claims: Any) -> str:
    return issuer_key().mint(caller, audience, lifetime_s, claims)


def test_a_valid_token_names_its_caller() -> None:
    assert verifier().verify(f"Bearer {minted()}") == Identity(BATCHER)
    assert verifier().verify(f"bearer  {minted()} ") == Identity(BATCHER)


class CountedKeys(KnownKeys):
    """Known keys, of which one can be taken back."""

    def take_back(self) -> None:
        self._published.clear()


def test_the_same_token_again_names_the_same_caller_and_another_is_judged_for_itself() -> None:
    ours = verifier()
    token = minted()
    for _ in range(3):
        assert ours.verify(f"Bearer {token}") == Identity(BATCHER)
    head, body, signature = token.split(".")
    for forged in (f"{head}.{body}.{signature[:-8]}AAAAAAAA", f"{head}.{body}.", f"{head}.{body}"):
        with pytest.raises(IdentityUnproven):
            ours.verify(f"Bearer {forged}")


def test_a_token_that_was_valid_is_refused_once_it_has_expired() -> None:
    ours = verifier()
    token = minted(exp=int(time.time()) - 28)  # 30 s are forgiven
    assert ours.verify(f"Bearer {token}").email == BATCHER
    time.sleep(2.1)
    with pytest.raises(IdentityUnproven):
        ours.verify(f"Bearer {token}")


def test_a_token_that_was_valid_is_refused_once_its_key_is_taken_back() -> None:
    keys = CountedKeys(issuer_key())
    ours = IdentityVerifier([AUDIENCE], [ISSUER], keys)
    token = minted()
    assert ours.verify(f"Bearer {token}").email == BATCHER
    keys.take_back()
    with pytest.raises(IdentityUnproven):
        ours.verify(f"Bearer {token}")


def test_what_is_remembered_of_tokens_is_bounded_and_holds_none_of_them() -> None:
    ours = verifier()
    for number in range(300):
        ours.verify(f"Bearer {minted(jti=str(number))}")
    assert len(ours._proven) <= 256
    assert all(len(fingerprint) == 32 for fingerprint in ours._proven)


def test_an_expiry_beyond_all_numbers_of_a_clock_is_still_one() -> None:
    ours = verifier()
    token = minted(exp=10**400)
    assert [ours.verify(f"Bearer {token}").email for _ in range(2)] == [BATCHER] * 2


def test_letter_case_of_an_email_does_not_matter() -> None:
    identity = verifier().verify(f"Bearer {minted('Batcher@Project.Example')}")
    assert require_caller(identity, ["BATCHER@project.example"]) == BATCHER


def test_a_token_for_several_audiences_may_name_ours_among_them() -> None:
    assert verifier().verify(f"Bearer {minted(aud=['https://other.example', AUDIENCE])}").email == BATCHER


def test_a_clock_thirty_seconds_apart_is_forgiven() -> None:
    now = int(time.time())
    assert verifier().verify(f"Bearer {minted(iat=now + 20, exp=now + 3600)}").email == BATCHER
    assert verifier().verify(f"Bearer {minted(exp=now - 20)}").email == BATCHER


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic dXNlcjpwYXNz", None),
        ("Bearer nonsense", None),
        ("Bearer a.b.c", None),
        (f"Bearer {'x' * 9000}", None),
        (f"Bearer {minted(audience='https://other.example')}", "audience"),
        (f"Bearer {minted(audience=AUDIENCE + '/')}", "audience"),
        (f"Bearer {minted(aud=['https://other.example'])}", "audience"),
        (f"Bearer {minted(aud=None)}", "audience"),
        (f"Bearer {minted(iss='https://accounts.google.com')}", "issuer"),
        (f"Bearer {minted(iss=None)}", "issuer"),
        (f"Bearer {minted(lifetime_s=-60)}", "not expired"),
        (f"Bearer {minted(exp=None)}", None),
        (f"Bearer {minted(iat=None)}", None),
        (f"Bearer {minted(iat=int(time.time()) + 86_400)}", None),
        (f"Bearer {minted(email=None)}", None),
        (f"Bearer {minted(email=17)}", "email_verified"),
        (f"Bearer {minted(email_verified=False)}", "email_verified"),
        (f"Bearer {minted(email_verified=None)}", "email_verified"),
        (f"Bearer {minted(email_verified='yes')}", "email_verified"),
        (f"Bearer {foreign_key().mint(BATCHER, AUDIENCE)}", None),
        (f"Bearer {unsigned(minted(), alg='none')}", None),
        (f"Bearer {unsigned(minted(), alg='HS256')}", None),
        (f"Bearer {minted()[:-8]}AAAAAAAA", None),
    ],
)
def test_what_is_not_a_valid_token_for_us_proves_nothing(header: str | None, rule: str | None) -> None:
    with pytest.raises(IdentityUnproven) as refused:
        verifier().verify(header)
    assert refused.value.http_status == 401
    assert refused.value.rule == rule


def test_a_proven_caller_must_be_on_the_routes_list() -> None:
    with pytest.raises(CallerNotAllowed) as refused:
        require_caller(Identity("stranger@project.example"), [BATCHER])
    assert refused.value.http_status == 403
    with pytest.raises(CallerNotAllowed):
        require_caller(Identity(BATCHER), [])


def test_an_empty_audience_or_issuer_list_is_a_mistake() -> None:
    for audiences, issuers in (([], [ISSUER]), ([AUDIENCE], [])):
        with pytest.raises(ValueError, match="accept every token"):
            IdentityVerifier(audiences, issuers, KnownKeys(issuer_key()))


# --- reading the issuer's keys ---------------------------------------------------------------------------------------


class Endpoint:
    """An issuer's key list over HTTP that can be slow, broken or gone."""

    def __init__(self) -> None:
        self.fetches = 0
        self.keys: list[IdentityKey] = [issuer_key()]
        self.status = 200
        self.raw: bytes | None = None
        self.wait_for: threading.Event | None = None
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.fetches += 1
                if endpoint.wait_for is not None:
                    endpoint.wait_for.wait(10)
                body = endpoint.raw or json.dumps({"keys": [key.jwk() for key in endpoint.keys]}).encode()
                self.send_response(endpoint.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running = Endpoint()
    yield running
    running.close()


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_many_tokens_cost_one_fetch(endpoint: Endpoint) -> None:
    keys = IssuerKeys(endpoint.url)
    checker = IdentityVerifier([AUDIENCE], [ISSUER], keys)
    for _ in range(20):
        checker.verify(f"Bearer {minted()}")
    assert endpoint.fetches == 1


def test_keys_are_read_again_after_their_lifespan(endpoint: Endpoint) -> None:
    clock = Clock()
    keys = IssuerKeys(endpoint.url, clock)
    keys.key(issuer_key().key_id)
    clock.now_s += 299
    keys.key(issuer_key().key_id)
    assert endpoint.fetches == 1
    clock.now_s += 2
    keys.key(issuer_key().key_id)
    assert endpoint.fetches == 2


def test_a_flood_of_unknown_keys_costs_one_fetch_per_half_minute(endpoint: Endpoint) -> None:
    clock = Clock()
    keys = IssuerKeys(endpoint.url, clock)
    keys.key(issuer_key().key_id)
    for number in range(100):
        with pytest.raises(IdentityUnproven):
            keys.key(f"made-up-{number}")
    assert endpoint.fetches == 2
    clock.now_s += 31
    with pytest.raises(IdentityUnproven):
        keys.key("made-up")
    assert endpoint.fetches == 3


def test_a_key_that_was_rotated_is_found_at_once(endpoint: Endpoint) -> None:
    keys = IssuerKeys(endpoint.url)
    keys.key(issuer_key().key_id)
    endpoint.keys = [issuer_key(), foreign_key()]
    assert keys.key(foreign_key().key_id) is not None


def test_tokens_that_do_not_even_claim_our_issuer_never_cause_a_fetch(endpoint: Endpoint) -> None:
    checker = IdentityVerifier([AUDIENCE], [ISSUER], IssuerKeys(endpoint.url))
    for token in (minted(iss="https://evil.example"), minted(audience="https://other.example"), "nonsense"):
        with pytest.raises(IdentityUnproven):
            checker.verify(f"Bearer {token}")
    assert endpoint.fetches == 0


@pytest.mark.parametrize(
    ("status", "raw"),
    [
        (500, None),
        (404, None),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [{"kty": "x"}]}'),
        (200, b"{}"),
    ],
)
def test_an_issuer_without_readable_keys_is_503_and_not_401(endpoint: Endpoint, status: int, raw: bytes | None) -> None:
    endpoint.status, endpoint.raw = status, raw
    with pytest.raises(IdentityUncheckable) as postponed:
        IdentityVerifier([AUDIENCE], [ISSUER], IssuerKeys(endpoint.url)).verify(f"Bearer {minted()}")
    assert postponed.value.http_status == 503


def test_while_the_issuer_is_down_calls_fail_at_once_and_recover_soon(endpoint: Endpoint) -> None:
    clock = Clock()
    keys = IssuerKeys(endpoint.url, clock)
    endpoint.status = 500
    for _ in range(50):
        with pytest.raises(IdentityUncheckable):
            keys.key(issuer_key().key_id)
    assert endpoint.fetches == 1
    endpoint.status = 200
    clock.now_s += 3
    assert keys.key(issuer_key().key_id) is not None


def test_a_slow_issuer_does_not_hold_up_callers_whose_key_is_known(endpoint: Endpoint) -> None:
    keys = IssuerKeys(endpoint.url)
    keys.key(issuer_key().key_id)
    endpoint.wait_for = threading.Event()

    def ask_for_unknown_key() -> None:
        with pytest.raises(IdentityUnproven):
            keys.key("made-up-0")

    slow = threading.Thread(target=ask_for_unknown_key)
    slow.start()
    try:
        while endpoint.fetches < 2:
            time.sleep(0.005)
        began = time.monotonic()
        assert keys.key(issuer_key().key_id) is not None
        with pytest.raises(IdentityUnproven):
            keys.key("made-up-1")
        assert time.monotonic() - began < 5
    finally:
        endpoint.wait_for.set()
        slow.join()


def test_a_key_list_elsewhere_than_http_is_a_mistake() -> None:
    with pytest.raises(jwt.PyJWKClientError):
        IssuerKeys("file:///etc/keys.json")
