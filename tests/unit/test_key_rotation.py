"""A signing key is rotated while messages are under way: none is lost, and a token of nobody's is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import pytest

from shared.messages import ALL_EDGES, BATCHER_TO_CONDUCTOR, Edge, Keyring, TokenKeyUnknown, open_sealed, seal
from shared.queue.renewal import AGAIN_AFTER_S, Keys, Renewal, keys_of
from shared.queue.settings import TasksSettings
from shared.sandbox.secrets.service import Fault, SecretService
from shared.settings import SecretsSettings, load_settings
from shared.telemetry.redaction import forget_concealed, without_secrets
from tests.unit.http_world import (
    MESSAGE_ID,
    NOW,
    OTHER_EDGE,
    PAY_BATCH,
    Service,
    a_check_order,
    as_task,
    bearer,
    error_of,
)
from tests.unit.test_messages import BY_TYPE

NAME = "SUCCESS_URL_SIGNING_KEY"
OLDER, OLD, NEW = (f"the {age} secret of all inner edges" for age in ("older", "old", "new"))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_concealed()


class Vault:
    """Where the key lies: its versions, newest first, and whether they can be read."""

    def __init__(self, *versions: str) -> None:
        self.versions = list(versions)
        self.readable = True
        self.reads = 0

    def rotate(self, key: str) -> None:
        self.versions.insert(0, key)

    def read(self) -> Mapping[str, list[str]] | None:
        self.reads += 1
        return {NAME: self.versions[:2]} if self.readable else None


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def keys_in(vault: Vault, clock: Clock | None = None) -> Keys:
    """The keys of an instance that starts now."""
    return Keys(Keyring(internal=vault.versions[:2]), {}, vault.read, clock or Clock())


def sealed(key: str, at: datetime = NOW, edge: Edge = BATCHER_TO_CONDUCTOR) -> dict[str, str]:
    return {"token": seal(edge, PAY_BATCH, Keyring(internal=[key]), MESSAGE_ID, at)}


def test_a_token_under_a_newer_key_is_opened_after_one_look() -> None:
    vault = Vault(OLD)
    service = Service(keys=keys_in(vault))
    vault.rotate(NEW)
    assert service.post("/", sealed(NEW), as_task()).status_code == 200
    assert service.post("/", sealed(OLD), as_task()).status_code == 200, "what was under way under the old key"
    assert len(service.seen) == 2
    assert vault.reads == 1
    assert not service.refused


def test_while_the_newer_key_cannot_be_read_the_queue_repeats_and_nothing_is_refused() -> None:
    vault, clock = Vault(OLD), Clock()
    service = Service(keys=keys_in(vault, clock))
    vault.rotate(NEW)
    vault.readable = False
    late = sealed(NEW, NOW - timedelta(hours=20))
    for _ in range(5):
        error_of(service.post("/", late, as_task()), 503, "token_key_unknown")
    assert vault.reads == 1, "a storm of tokens is one look in ten seconds"
    vault.readable = True
    error_of(service.post("/", late, as_task()), 503, "token_key_unknown")
    clock.now_s += AGAIN_AFTER_S
    assert service.post("/", late, as_task()).status_code == 200
    assert not service.refused


def test_with_keys_in_the_environment_a_newer_token_waits_for_a_newer_instance() -> None:
    service = Service(keys=Keys(Keyring(internal=[OLD]), {}, None))
    error_of(service.post("/", sealed(NEW), as_task()), 503, "token_key_unknown")
    assert not service.refused
    assert (
        Service(keys=Keys(Keyring(internal=[NEW, OLD]), {}, None)).post("/", sealed(NEW), as_task()).status_code == 200
    )


def test_a_token_of_nobody_is_refused_for_good_an_hour_after_its_issue() -> None:
    vault = Vault(OLD)
    service = Service(keys=keys_in(vault))
    nobody = "the secret of some other fleet"
    error_of(service.post("/", sealed(nobody), as_task()), 503, "token_key_unknown")
    for at in (NOW - timedelta(hours=1, seconds=1), NOW + timedelta(minutes=1)):
        answer = service.post("/", sealed(nobody, at), as_task())
        assert (answer.status_code, answer.get_json()["code"]) == (200, "token_foreign")
    assert [refused.code for refused in service.refused] == ["token_foreign"] * 2


def test_garbage_and_tokens_of_other_edges_are_refused_at_once_and_nobody_looks_for_keys() -> None:
    vault = Vault(OLD)
    service = Service(keys=keys_in(vault))
    good = sealed(OLD)["token"]
    elsewhere = seal(OTHER_EDGE, a_check_order(), Keyring(internal=[NEW]), MESSAGE_ID, NOW)
    assert service.post("/", {"token": good[:-2] + ("AA" if good[-2:] != "AA" else "BB")}, as_task()).status_code == 200
    assert service.post("/", {"token": "garbage"}, as_task()).status_code == 200
    assert service.post("/", {"token": elsewhere}, as_task()).status_code == 200
    assert [refused.code for refused in service.refused] == ["token_foreign", "token_malformed", "token_foreign"]
    assert vault.reads == 0


def test_a_direct_caller_is_told_at_once() -> None:
    error_of(Service(keys=keys_in(Vault(OLD))).post("/", sealed(NEW), bearer()), 401, "token_foreign")


def test_keys_that_no_keyring_may_have_leave_those_that_there_are() -> None:
    vault = Vault(OLD)
    keys = keys_in(vault)
    vault.rotate("too short")
    assert keys.renew(keys.generation) is Renewal.UNREADABLE
    assert keys.keyring.opening_keys("internal", "any>edge") == Keyring(internal=[OLD]).opening_keys(
        "internal", "any>edge"
    )


HOPS = tuple(edge for edge in ALL_EDGES if edge.secret == "internal")


@pytest.mark.parametrize("rotated_before", range(len(HOPS) + 1))
@pytest.mark.parametrize("newer", ["producers", "consumers", "none"])
def test_wherever_the_key_rotates_between_two_hops_every_message_arrives(rotated_before: int, newer: str) -> None:
    """Each hop is sealed by an instance and opened by another; some of them started before the rotation, some after."""
    vault = Vault(OLD, OLDER)
    producer, consumer = keys_in(vault), keys_in(vault)
    waiting: tuple[Edge, str] | None = None
    for number, edge in enumerate(HOPS):
        if number == rotated_before:
            vault.rotate(NEW)
            producer = keys_in(vault) if newer == "producers" else producer
            consumer = keys_in(vault) if newer == "consumers" else consumer
        token = seal(edge, BY_TYPE[edge.messages[0].__name__], producer.keyring, MESSAGE_ID, NOW)
        if waiting is not None:  # what was under way when the next one was sealed
            assert arrives(*waiting, consumer)
        waiting = edge, token
        producer, consumer = consumer, producer
    assert waiting is not None
    assert arrives(*waiting, consumer)
    assert arrives(*waiting, producer)


def arrives(edge: Edge, token: str, keys: Keys) -> bool:
    generation = keys.generation
    try:
        opened = open_sealed(edge, token, keys.keyring, NOW)
    except TokenKeyUnknown:
        assert keys.renew(generation) is Renewal.RENEWED
        opened = open_sealed(edge, token, keys.keyring, NOW)
    return opened.edge == edge


class RotatingSettings(TasksSettings, SecretsSettings):
    """What of a service's settings its keys come from."""


def test_the_keys_of_a_service_follow_secret_manager() -> None:
    where = {"CLOUD_TASKS_PROJECT_ID": "some-project", "CLOUD_TASKS_LOCATION": "local"}
    with SecretService("some-project") as secrets:
        where |= {"SECRETS_PROJECT_ID": "some-project", "SECRETS_ENDPOINT": secrets.endpoint}
        secrets.store.add(NAME, OLD.encode())
        settings = load_settings(RotatingSettings, where)
        keys = keys_of(settings, Keyring(internal=[OLD]))
        assert keys.renew(keys.generation) is Renewal.PRESENT
        clockless = keys_of(settings, Keyring(internal=[OLD]))
        secrets.store.add(NAME, NEW.encode() + b"\n")
        assert clockless.renew(clockless.generation) is Renewal.RENEWED
        opening = clockless.keyring.opening_keys("internal", "any>edge")
        assert opening == Keyring(internal=[NEW, OLD]).opening_keys("internal", "any>edge")
        assert without_secrets(f"it was {NEW}") == "it was ***"
        secrets.faults[NAME] = Fault("denied")
        third = keys_of(settings, Keyring(internal=[OLD]))
        assert third.renew(third.generation) is Renewal.UNREADABLE
        fixed = keys_of(load_settings(RotatingSettings, where | {NAME: OLD}), Keyring(internal=[OLD]))
        assert fixed.renew(fixed.generation) is Renewal.FIXED


def test_ten_seconds_pass_between_two_looks() -> None:
    vault, clock = Vault(OLD), Clock()
    keys = keys_in(vault, clock)
    for seconds in (0.0, 9.9, 10.0, 19.9, 20.0):
        clock.now_s = 100.0 + seconds
        keys.renew(keys.generation)
    assert vault.reads == 3
