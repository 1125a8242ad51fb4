"""Tokens: the format to the byte, the keys, the four errors and the exact edges of freshness."""

import base64
import copy
import hashlib
import hmac
import pickle
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.lifecycle.reactions import Broken, Refused
from shared.messages import (
    ALL_EDGES,
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_EXECUTOR,
    CONDUCTOR_TO_WATCHER,
    EXECUTOR_TO_EXECUTOR,
    UPSTREAM_TO_CONDUCTOR,
    DriveAccount,
    Edge,
    InstantPayout,
    Keyring,
    KeyringError,
    MessageInvalid,
    PayBatch,
    TokenExpired,
    TokenForeign,
    TokenMalformed,
    TokenVersionUnsupported,
    open_sealed,
    seal,
)
from shared.messages.keys import hkdf_sha256

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
INSIDE, OUTSIDE = "inside-secret-0123456789", "outside-secret-0123456789"
KEYS = Keyring(internal=[INSIDE], external=[OUTSIDE])
ID = bytes(range(16))
DRIVE = DriveAccount("0x" + "a1" * 20, 1)
BATCH = PayBatch("3f2a8c1e-0b4d-4c6f-9a7e-1d2c3b4a5f60", "3a2360771439a3", "eth", "eth", 5, "0x" + "b2" * 20)
INSTANT = InstantPayout("pay-1", "3a2360771439a3", "eth", "eth", 5, "0x" + "b2" * 20)
DRIVE_BODY = b"\x00\x2a0x" + b"a1" * 20 + b"\x01\x01"


def by_the_book(
    edge: Edge,
    message_type: int,
    body: bytes,
    issued_at_s: int,
    version: int = 1,
    key_id: bytes | None = None,
) -> str:
    """A token as the design describes it, written again without the room's code: what upstream would write."""
    secret = (OUTSIDE if edge.secret == "external" else INSIDE).encode()
    kdf = HKDF(algorithm=SHA256(), length=32, salt=b"gcpay token v1", info=edge.name.encode())
    key = kdf.derive(secret)
    named = key_id or hashlib.sha256(b"key id" + key).digest()[:4]
    signed = struct.pack(">BB4s16sQ", version, message_type, named, ID, issued_at_s) + body
    mac = hmac.new(key, signed + edge.name.encode(), hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(signed + mac).decode().rstrip("=")


def test_a_token_is_exactly_what_the_design_says() -> None:
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW)
    assert token == by_the_book(EXECUTOR_TO_EXECUTOR, 6, DRIVE_BODY, int(NOW.timestamp()))


def test_the_format_never_changes_silently() -> None:
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW)
    assert token == GOLDEN
    assert open_sealed(EXECUTOR_TO_EXECUTOR, GOLDEN, KEYS, NOW).message == DRIVE


GOLDEN = (
    "AQYVna1FAAECAwQFBgcICQoLDA0ODwAAAABpVmHAACoweGExYTFhMWExYTFhMWEx"
    "YTFhMWExYTFhMWExYTFhMWExYTFhMWExYTEBAduYqZDw_VjE6rJJGLy-ha0"
)


def test_an_opened_token_gives_back_all_that_was_sealed() -> None:
    opened = open_sealed(EXECUTOR_TO_EXECUTOR, seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW), KEYS, NOW)
    assert (opened.edge, opened.message, opened.message_id) == (EXECUTOR_TO_EXECUTOR, DRIVE, ID)
    assert opened.issued_at == NOW
    assert opened.message_uuid == UUID(bytes=ID)


def test_one_route_may_take_two_edges_and_tells_them_apart() -> None:
    edges = [UPSTREAM_TO_CONDUCTOR, BATCHER_TO_CONDUCTOR]
    for edge, message in ((UPSTREAM_TO_CONDUCTOR, INSTANT), (BATCHER_TO_CONDUCTOR, BATCH)):
        opened = open_sealed(edges, seal(edge, message, KEYS, ID, NOW), KEYS, NOW)
        assert (opened.edge, opened.message) == (edge, message)


def test_upstreams_secret_seals_nothing_but_upstreams_edge() -> None:
    upstream = Keyring(external=[OUTSIDE])
    with pytest.raises(KeyringError, match="no internal secret"):
        seal(BATCHER_TO_CONDUCTOR, BATCH, upstream, ID, NOW)
    disguised = replace(BATCHER_TO_CONDUCTOR, secret="external")
    with pytest.raises(TokenForeign):
        open_sealed(BATCHER_TO_CONDUCTOR, seal(disguised, BATCH, upstream, ID, NOW), KEYS, NOW)


def test_a_message_is_sealed_only_for_an_edge_that_carries_it() -> None:
    with pytest.raises(MessageInvalid, match="must not be conductor>executor"):
        seal(CONDUCTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW)
    with pytest.raises(MessageInvalid, match="must have 16 bytes"):
        seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID[:15], NOW)


def test_the_same_body_on_another_route_of_the_same_services_is_foreign() -> None:
    elsewhere = replace(EXECUTOR_TO_EXECUTOR, route="/elsewhere")
    with pytest.raises(TokenForeign):
        open_sealed(EXECUTOR_TO_EXECUTOR, seal(elsewhere, DRIVE, KEYS, ID, NOW), KEYS, NOW)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be text"),
        (None, "must be text"),
        (7, "must be text"),
        ("A" * 4097, "must not be longer than 4096 characters"),
        ("A" * 10_000_000, "must not be longer than 4096 characters"),
        ("AQ==", "must be base64url without padding"),
        ("AQ+/", "must be base64url without padding"),
        (" AQAA", "must be base64url without padding"),
        ("AQAA\n", "must be base64url without padding"),
        ("AQ AA", "must be base64url without padding"),
        ("AQAé", "must be base64url without padding"),
        ("AQAAA", "must be base64url without padding"),
        ("AQAB" * 2, "must hold an envelope and a body"),
        ("AQ", "must hold an envelope and a body"),
        ("AR", "must be base64url without padding"),
    ],
)
def test_what_is_not_a_token_is_malformed(text: str, rule: str) -> None:
    with pytest.raises(TokenMalformed) as refused:
        open_sealed(EXECUTOR_TO_EXECUTOR, text, KEYS, NOW)
    assert (refused.value.field, refused.value.rule, refused.value.http_status) == ("token", rule, 400)


def test_a_token_has_one_spelling_only() -> None:
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW)
    assert len(token) % 4  # so the last character has bits that say nothing
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    padding = "=" * (-len(token) % 4)
    assert base64.urlsafe_b64decode(same_bytes + padding) == base64.urlsafe_b64decode(token + padding)
    for other in (same_bytes, token + padding, token + "\n", f" {token}"):
        with pytest.raises(TokenMalformed):
            open_sealed(EXECUTOR_TO_EXECUTOR, other, KEYS, NOW)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_its_own_error_even_if_genuine(version: int) -> None:
    token = by_the_book(EXECUTOR_TO_EXECUTOR, 6, DRIVE_BODY, int(NOW.timestamp()), version)
    with pytest.raises(TokenVersionUnsupported) as refused:
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW)
    assert refused.value.http_status == 400


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"", "account", "is cut short"),
        (DRIVE_BODY + b"\0", "body", "has 1 bytes left over"),
        (DRIVE_BODY[:-1] + b"\0", "chain_id", "has leading zero bytes"),
        (DRIVE_BODY.replace(b"0x", b"0y"), "account", "must be 0x and 40 hex digits"),
    ],
)
def test_a_genuine_token_with_a_wrong_body_is_malformed_and_names_the_field(body: bytes, field: str, rule: str) -> None:
    token = by_the_book(EXECUTOR_TO_EXECUTOR, 6, body, int(NOW.timestamp()))
    with pytest.raises(TokenMalformed) as refused:
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW)
    assert (refused.value.field, refused.value.rule) == (field, rule)


def test_no_byte_of_a_body_is_read_before_its_mac_is_good() -> None:
    token = by_the_book(EXECUTOR_TO_EXECUTOR, 6, b"not a body", int(NOW.timestamp()))
    changed = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    with pytest.raises(TokenForeign):
        open_sealed(EXECUTOR_TO_EXECUTOR, changed, KEYS, NOW)


def test_an_unknown_type_sealed_with_the_right_key_is_foreign() -> None:
    for message_type in (0, 5, 11, 255):
        token = by_the_book(EXECUTOR_TO_EXECUTOR, message_type, DRIVE_BODY, int(NOW.timestamp()))
        with pytest.raises(TokenForeign) as refused:
            open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW)
        assert refused.value.http_status == 401


def test_a_token_that_names_another_key_than_its_own_is_foreign() -> None:
    token = by_the_book(EXECUTOR_TO_EXECUTOR, 6, DRIVE_BODY, int(NOW.timestamp()), key_id=b"nope")
    with pytest.raises(TokenForeign):
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW)


def test_an_envelope_has_forty_six_bytes() -> None:
    for length, error in ((45, TokenMalformed), (46, TokenForeign)):
        token = base64.urlsafe_b64encode(b"\1\6" + bytes(length - 2)).decode().rstrip("=")
        with pytest.raises(error):
            open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW)


@pytest.mark.parametrize("edge", ALL_EDGES, ids=lambda edge: edge.name)
def test_a_token_is_fresh_to_the_very_second_and_not_a_moment_longer(edge: Edge) -> None:
    oldest, furthest = NOW - edge.max_age_s * SECOND, NOW + 5 * SECOND
    drives = replace(edge, messages=(DriveAccount,))
    for issued_at in (oldest, NOW, furthest):
        assert open_sealed(drives, seal(drives, DRIVE, KEYS, ID, issued_at), KEYS, NOW).issued_at == issued_at
    for issued_at, rule in (
        (oldest - SECOND, "is older than its route allows"),
        (furthest + SECOND, "is ahead of time"),
    ):
        with pytest.raises(TokenExpired) as refused:
            open_sealed(drives, seal(drives, DRIVE, KEYS, ID, issued_at), KEYS, NOW)
        assert (refused.value.rule, refused.value.http_status) == (rule, 401)


def test_a_fraction_of_a_second_past_the_limit_is_past_the_limit() -> None:
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW)
    last_moment = NOW + EXECUTOR_TO_EXECUTOR.max_age_s * SECOND
    assert open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, last_moment)
    with pytest.raises(TokenExpired):
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, last_moment + timedelta(microseconds=1))
    assert open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW - 5 * SECOND)
    with pytest.raises(TokenExpired):
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW - 5 * SECOND - timedelta(microseconds=1))


def test_how_far_ahead_a_clock_may_run_can_be_set() -> None:
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, NOW + 60 * SECOND)
    assert open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW, ahead_s=60)
    with pytest.raises(TokenExpired):
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW, ahead_s=59)


def test_a_route_may_allow_a_longer_or_shorter_life() -> None:
    brief = replace(EXECUTOR_TO_EXECUTOR, max_age_s=300)
    token = seal(brief, DRIVE, KEYS, ID, NOW)
    assert open_sealed(brief, token, KEYS, NOW + 300 * SECOND)
    with pytest.raises(TokenExpired):
        open_sealed(brief, token, KEYS, NOW + 301 * SECOND)


@pytest.mark.parametrize("issued_at_s", [2**64 - 1, 253_402_300_800])
def test_a_time_beyond_all_calendars_is_ahead_of_time(issued_at_s: int) -> None:
    with pytest.raises(TokenExpired) as refused:
        open_sealed(EXECUTOR_TO_EXECUTOR, by_the_book(EXECUTOR_TO_EXECUTOR, 6, DRIVE_BODY, issued_at_s), KEYS, NOW)
    assert refused.value.rule == "is ahead of time"


def test_an_expired_token_of_another_key_is_foreign_not_expired() -> None:
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, Keyring(internal=["x" * 16]), ID, NOW - timedelta(days=9))
    with pytest.raises(TokenForeign):
        open_sealed(EXECUTOR_TO_EXECUTOR, token, KEYS, NOW)


def test_time_zones_do_not_matter_but_a_time_without_one_is_refused() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, elsewhere) == GOLDEN
    assert open_sealed(EXECUTOR_TO_EXECUTOR, GOLDEN, KEYS, elsewhere)
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(TypeError):
        seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, naive)
    with pytest.raises(TypeError):
        open_sealed(EXECUTOR_TO_EXECUTOR, GOLDEN, KEYS, naive)
    with pytest.raises(ValueError, match="after 1970"):
        seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, ID, datetime(1969, 1, 1, tzinfo=UTC))


def test_a_rotation_loses_no_token_on_its_way() -> None:
    old, new = "old-secret-0123456789", "new-secret-0123456789"
    before, both, turned, after = (Keyring(internal=keys) for keys in ([old], [old, new], [new, old], [new]))
    sealed = {
        name: seal(EXECUTOR_TO_EXECUTOR, DRIVE, ring, ID, NOW)
        for name, ring in (("before", before), ("both", both), ("turned", turned), ("after", after))
    }
    assert sealed["before"] == sealed["both"] != sealed["turned"] == sealed["after"]
    for ring in (both, turned):
        for token in sealed.values():
            assert open_sealed(EXECUTOR_TO_EXECUTOR, token, ring, NOW).message == DRIVE
    for ring, token in ((before, sealed["after"]), (after, sealed["before"])):
        with pytest.raises(TokenForeign):
            open_sealed(EXECUTOR_TO_EXECUTOR, token, ring, NOW)


@pytest.mark.parametrize(
    ("internal", "external", "rule"),
    [
        (["x" * 15], [], "at least 16 bytes"),
        ([], [b"x" * 15], "at least 16 bytes"),
        ([""], [], "at least 16 bytes"),
        (["x" * 16 + "\n"], [], "blank or a line end"),
        ([" " + "x" * 16], [], "blank or a line end"),
        (["a" * 16, "b" * 16, "c" * 16], [], "at most 2"),
        (["x" * 16], ["x" * 16], "must differ"),
        (["a" * 16, "x" * 16], ["b" * 16, b"x" * 16], "must differ"),
        ("x" * 16, [], "must be a list"),
    ],
)
def test_a_keyring_refuses_secrets_that_are_no_secrets(
    internal: list[str | bytes], external: list[str | bytes], rule: str
) -> None:
    with pytest.raises(KeyringError, match=rule) as refused:
        Keyring(internal=internal, external=external)
    assert "xxx" not in str(refused.value)
    assert isinstance(refused.value, ValueError)  # so that settings report it with all their other problems


def test_a_secret_counts_in_bytes_and_may_be_either_type() -> None:
    assert Keyring(internal=["é" * 8])
    token = seal(EXECUTOR_TO_EXECUTOR, DRIVE, Keyring(internal=[INSIDE.encode()]), ID, NOW)
    assert token == GOLDEN


def test_a_keyring_shows_stars_and_cannot_be_stored() -> None:
    assert repr(KEYS) == str(KEYS) == f"{KEYS}" == "Keyring(internal=***, external=***)"
    for store in (pickle.dumps, copy.copy, copy.deepcopy, vars):
        with pytest.raises(TypeError):
            store(KEYS)
    assert INSIDE not in repr(KEYS.sealing_key("internal", "edge"))
    assert "key=" not in repr(KEYS.sealing_key("internal", "edge"))


def test_every_edge_and_secret_has_its_own_key_and_key_id() -> None:
    ring = Keyring(internal=["a" * 16, "b" * 16], external=["c" * 16, "d" * 16])
    keys = [key for edge in ALL_EDGES for key in ring.opening_keys(edge.secret, edge.name)]
    assert len({key.key for key in keys}) == len({key.key_id for key in keys}) == 2 * len(ALL_EDGES)


@pytest.mark.parametrize(
    ("ikm", "salt", "info", "length", "okm"),
    [
        (
            b"\x0b" * 22,
            bytes(range(0x0D)),
            bytes(range(0xF0, 0xFA)),
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            82,
            (
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            b"\x0b" * 22,
            b"",
            b"",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_keys_are_derived_as_rfc_5869_shows(ikm: bytes, salt: bytes, info: bytes, length: int, okm: str) -> None:
    assert hkdf_sha256(ikm, salt=salt, info=info, length=length).hex() == okm


def test_a_derivation_has_its_limits() -> None:
    assert len(hkdf_sha256(b"x", salt=b"", info=b"", length=255 * 32)) == 255 * 32
    for length in (0, -1, 255 * 32 + 1):
        with pytest.raises(ValueError, match="8160"):
            hkdf_sha256(b"x", salt=b"", info=b"", length=length)


def test_the_four_token_errors_are_refusals_with_four_codes() -> None:
    kinds = [TokenMalformed, TokenForeign, TokenExpired, TokenVersionUnsupported]
    assert all(issubclass(kind, Refused) for kind in kinds)
    assert {(kind.code, kind.http_status) for kind in kinds} == {
        ("token_malformed", 400),
        ("token_foreign", 401),
        ("token_expired", 401),
        ("token_version_unsupported", 400),
    }
    assert issubclass(MessageInvalid, Broken)
    assert issubclass(KeyringError, Broken)


def test_a_watchers_question_can_never_be_taken_for_a_pay_order() -> None:
    token = seal(replace(CONDUCTOR_TO_WATCHER, messages=(DriveAccount,)), DRIVE, KEYS, ID, NOW)
    with pytest.raises(TokenForeign):
        open_sealed(CONDUCTOR_TO_EXECUTOR, token, KEYS, NOW)
