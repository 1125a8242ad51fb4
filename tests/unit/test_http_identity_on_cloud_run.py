"""Cloud Run's IAM checks an identity token and takes its signature off before the service sees it."""

from __future__ import annotations

import pytest

from shared.http.errors import IdentityUnproven
from shared.http.identity import Identity, IdentityVerifier
from tests.unit.http_world import AUDIENCE, BATCHER, ISSUER, KnownKeys, foreign_key, issuer_key, unsigned


def verifier(*, behind_cloud_run: bool = True) -> IdentityVerifier:
    return IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key()), behind_cloud_run=behind_cloud_run)


def without_signature(token: str) -> str:
    return f"Bearer {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


def minted(audience: str = AUDIENCE, lifetime_s: int = 3600, **claims: object) -> str:
    return issuer_key().mint(BATCHER, audience, lifetime_s, claims)


def test_a_token_that_cloud_run_has_checked_names_its_caller() -> None:
    assert verifier().verify(without_signature(minted())) == Identity(BATCHER)


def test_a_token_with_its_signature_is_checked_as_ever() -> None:
    assert verifier().verify(f"Bearer {minted()}") == Identity(BATCHER)
    for forged in (foreign_key().mint(BATCHER, AUDIENCE), unsigned(minted(), alg="none"), minted()[:-8] + "AAAAAAAA"):
        with pytest.raises(IdentityUnproven):
            verifier().verify(f"Bearer {forged}")


def test_elsewhere_the_words_are_worth_nothing() -> None:
    with pytest.raises(IdentityUnproven):
        verifier(behind_cloud_run=False).verify(without_signature(minted()))
    with pytest.raises(IdentityUnproven):
        IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())).verify(without_signature(minted()))


@pytest.mark.parametrize(
    "token",
    [
        minted(audience="https://other.example"),
        minted(iss="https://accounts.google.com"),
        minted(lifetime_s=-60),
        minted(exp=None),
        minted(iat=9_999_999_999),
        minted(email=None),
        minted(email_verified=False),
        unsigned(minted(), alg="none"),
        unsigned(minted(), alg="HS256"),
    ],
)
def test_every_claim_is_checked_all_the_same(token: str) -> None:
    with pytest.raises(IdentityUnproven):
        verifier().verify(without_signature(token))


@pytest.mark.parametrize("words", ["SIGNATURE_REMOVED_BY_GOOGL", "signature_removed_by_google", ""])
def test_only_the_words_of_cloud_run_stand_for_a_signature(words: str) -> None:
    with pytest.raises(IdentityUnproven):
        verifier().verify(f"Bearer {minted().rpartition('.')[0]}.{words}")
