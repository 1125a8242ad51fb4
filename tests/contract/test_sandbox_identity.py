"""The sandbox's identity tokens are what a verifier of Google's tokens expects, and every wrong one is refused."""

import time
from collections.abc import Iterator

import jwt
import pytest

from shared.sandbox import processes
from shared.sandbox.identity import IdentityClient, IdentityKey, IdentityService, IdentityUnavailable, command
from shared.sandbox.identity.key import broken_signature
from shared.sandbox.loopback import call_json

EMAIL = "batcher@sandbox.iam.gserviceaccount.com"
AUDIENCE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def service() -> Iterator[IdentityService]:
    with IdentityService() as running:
        yield running


def verified(token: str, service: IdentityService, audience: str = AUDIENCE) -> dict[str, object]:
    """The check that the services make."""
    key = jwt.PyJWKClient(service.jwks_url, timeout=5).get_signing_key_from_jwt(token)
    claims: dict[str, object] = jwt.decode(
        token,
        key,
        algorithms=["RS256"],
        audience=audience,
        issuer=[service.url],
        options={"require": ["exp", "iat", "iss", "aud", "sub"]},
    )
    return claims


def test_a_token_verifies_against_the_published_keys_with_every_claim_google_sets(service: IdentityService) -> None:
    claims = verified(IdentityClient(service.url).token(EMAIL, AUDIENCE), service)
    assert claims["iss"] == service.url
    assert claims["aud"] == AUDIENCE
    assert claims["email"] == EMAIL
    assert claims["email_verified"] is True
    assert str(claims["sub"]).isdecimal()
    assert claims["exp"] - claims["iat"] == 3600  # type: ignore[operator]
    assert abs(time.time() - claims["iat"]) < 5  # type: ignore[operator]


def test_the_subject_belongs_to_the_account_and_not_to_the_token(service: IdentityService) -> None:
    first, again = (verified(service.key.mint(EMAIL, AUDIENCE, life), service)["sub"] for life in (60, 600))
    other = verified(service.key.mint("other@x.example", AUDIENCE), service)["sub"]
    assert first == again != other


def test_a_client_asks_once_for_many_uses_and_anew_for_another_audience(service: IdentityService) -> None:
    client = IdentityClient(service.url)
    token = client.token(EMAIL, AUDIENCE)
    assert client.token(EMAIL, AUDIENCE) == token
    assert client.token(EMAIL, AUDIENCE + "0") != token


def test_a_client_renews_a_token_before_it_expires(service: IdentityService) -> None:
    client = IdentityClient(service.url)
    token = client.token(EMAIL, AUDIENCE, lifetime_s=1)
    time.sleep(1.05)
    renewed = client.token(EMAIL, AUDIENCE, lifetime_s=1)
    assert renewed != token
    verified(renewed, service)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"iss": "https://accounts.example"}, jwt.InvalidIssuerError),
        ({"aud": "http://127.0.0.1:10"}, jwt.InvalidAudienceError),
        ({"exp": 1}, jwt.ExpiredSignatureError),
        ({"aud": None}, jwt.MissingRequiredClaimError),
        ({"exp": None}, jwt.MissingRequiredClaimError),
    ],
)
def test_a_wrong_token_can_be_made_on_purpose_and_fails_as_meant(
    service: IdentityService, wrong: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        verified(IdentityClient(service.url).mint(EMAIL, AUDIENCE, claims=wrong), service)
    with pytest.raises(error):
        verified(service.key.mint(EMAIL, AUDIENCE, claims=wrong), service)


def test_an_unverified_email_can_be_made_on_purpose(service: IdentityService) -> None:
    token = service.key.mint(EMAIL, AUDIENCE, claims={"email_verified": False})
    assert verified(token, service)["email_verified"] is False


def test_a_negative_lifetime_makes_a_token_that_is_already_expired(service: IdentityService) -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(IdentityClient(service.url).mint(EMAIL, AUDIENCE, lifetime_s=-60), service)


def test_a_foreign_key_is_not_in_the_list_and_a_broken_signature_fails(service: IdentityService) -> None:
    foreign = IdentityKey.generate(service.url)
    with pytest.raises(jwt.PyJWKClientError):
        verified(foreign.mint(EMAIL, AUDIENCE), service)
    with pytest.raises(jwt.InvalidSignatureError):
        verified(broken_signature(service.key.mint(EMAIL, AUDIENCE)), service)


@pytest.mark.parametrize(
    "body",
    [
        {"audience": AUDIENCE},
        {"email": "nobody", "audience": AUDIENCE},
        {"email": EMAIL},
        {"email": EMAIL, "audience": ""},
        {"email": EMAIL, "audience": AUDIENCE, "lifetime_s": 1.5},
        {"email": EMAIL, "audience": AUDIENCE, "lifetime_s": True},
        {"email": EMAIL, "audience": AUDIENCE, "lifetime_s": 10**6},
        {"email": EMAIL, "audience": AUDIENCE, "claims": []},
    ],
)
def test_the_issuer_refuses_a_request_it_cannot_mean(service: IdentityService, body: dict[str, object]) -> None:
    assert call_json("POST", f"{service.url}/token", body).status == 400


def test_a_client_says_that_the_issuer_is_away() -> None:
    with pytest.raises(IdentityUnavailable):
        IdentityClient("http://127.0.0.1:1").token(EMAIL, AUDIENCE)


def test_as_a_process_it_serves_on_its_announced_port_and_leaves_on_sigterm() -> None:
    process = processes.Process.start("identity", command())
    try:
        url = str(process.ready["url"])
        assert url == f"http://127.0.0.1:{process.port()}"
        assert IdentityClient(url).token(EMAIL, AUDIENCE).count(".") == 2
    finally:
        began = time.monotonic()
        assert process.stop() == 0
    assert time.monotonic() - began < 1
