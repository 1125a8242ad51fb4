"""Every caller at every route: who gets past the door is written down here a second time, by hand, from the design."""

from __future__ import annotations

from dataclasses import fields

import pytest

from shared.http import IdentityVerifier, IssuerKeys
from shared.http.errors import IdentityUnproven
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.identity import IdentityClient
from tests.e2e.forged import Forger
from tests.security.house import JSON_TYPE, Door, House, an_app, token_body
from tests.security.tokens import sealed

# Not read from the code: a route that is added, or a caller that is let in, must be added here by a person.
WHO_MAY = {
    "GCAccumulator/": {"upstream"},
    "GCMicroBatchProcessor/check-threshold": {"scheduler"},
    "GCMicroBatchProcessor/sweep": {"scheduler"},
    "GCMicroBatchProcessor/swap-executed[conductor]": {"conductor"},
    "GCMicroBatchProcessor/swap-failed[conductor]": {"conductor"},
    "GCMicroBatchProcessor/deliver-alert[batcher]": {"batcher"},
    "GCHostPay1/[upstream]": {"upstream"},
    "GCHostPay1/[batcher]": {"batcher"},
    "GCHostPay1/status-verified[watcher]": {"watcher"},
    "GCHostPay1/payment-completed[executor]": {"executor"},
    "GCHostPay1/retry-callback-check[conductor]": {"conductor"},
    "GCHostPay1/sweep": {"scheduler"},
    "GCHostPay2/[conductor]": {"conductor"},
    "GCHostPay3/[conductor]": {"conductor"},
    "GCHostPay3/drive[executor]": {"executor"},
    "GCHostPay3/sweep": {"scheduler"},
}
OPEN_TO_ALL = {"/health", "/live"}
STRANGERS = ("nobody@elsewhere.invalid", "gchostpay1@sandbox.invalid.evil.invalid", "xgchostpay1@sandbox.invalid")


def good_body(house: House, door: Door) -> bytes:
    """What this door opens for the right caller."""
    return b"{}" if door.edge is None else token_body(sealed(door.edge, house.keyring))


def everybody(house: House) -> dict[str, str]:
    """Every identity of the fleet by its noun, and some of nobody."""
    known = {field.name: str(getattr(house.who, field.name)) for field in fields(house.who)}
    return known | {f"stranger {number}": email for number, email in enumerate(STRANGERS)}


def test_the_table_of_callers_names_every_route_of_the_five_services(house: House) -> None:
    assert {str(door) for door in house.doors} == set(WHO_MAY)
    for service, app in house.apps.items():
        served = {(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods or ()}
        posts = {(door.route.path, "POST") for door in house.doors if door.service == service}
        reads = {(path, method) for path in OPEN_TO_ALL for method in ("GET", "HEAD")}
        assert served == posts | reads, service


@pytest.mark.parametrize("as_task", [False, True], ids=["direct", "as a task"])
def test_only_the_callers_in_the_table_get_past_a_door(house: House, as_task: bool) -> None:
    tried = {"open": 0, "shut": 0}
    for door in house.doors:
        for noun in WHO_MAY[str(door)]:
            tried["open"] += 1
            identity = house.identity(everybody(house)[noun], door.service)
            answer = house.post(door, good_body(house, door), identity, f"outbox-{tried['open']}" if as_task else "")
            assert answer.status_code not in (401, 403), (str(door), noun, answer.get_data(as_text=True))
    with house.nothing_changes():
        for door in house.doors:
            for noun, email in everybody(house).items():
                if noun in WHO_MAY[str(door)]:
                    continue
                tried["shut"] += 1
                identity = house.identity(email, door.service)
                answer = house.post(door, good_body(house, door), identity, "outbox-1" if as_task else "")
                assert answer.status_code == 403, (str(door), noun, answer.get_data(as_text=True))
                assert answer.get_json()["code"] == "caller_not_allowed", (str(door), noun)
    assert tried == {"open": 16, "shut": 16 * 10}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("as_task", [False, True], ids=["direct", "as a task"])
def test_nothing_that_proves_nobody_gets_past_a_door_and_nothing_is_written(
    house: House, service: str, as_task: bool
) -> None:
    forger = Forger(IdentityClient(house.issuer.url))
    elsewhere = next(house.url(other) for other in SERVICES if other != service)
    doors = [door for door in house.doors if door.service == service]
    with house.nothing_changes():
        for email in sorted({house.caller(door) for door in doors}):
            for name, headers in forger.unproven(email, house.url(service), elsewhere):
                for door in doors:
                    answer = house.post(door, good_body(house, door), headers, "outbox-1" if as_task else "")
                    assert answer.status_code == 401, (str(door), name, answer.get_data(as_text=True))
                    assert answer.get_json()["code"] == "identity_unproven", (str(door), name)
                    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_identity_of_one_service_is_worth_nothing_at_another(house: House) -> None:
    """A token is for one audience: who steals it at one service cannot carry it to the next."""
    with house.nothing_changes():
        for door in house.doors:
            for other in SERVICES:
                if other != door.service:
                    headers = house.identity(house.caller(door), other)
                    answer = house.post(door, good_body(house, door), headers)
                    assert (answer.status_code, answer.get_json()["rule"]) == (401, "audience"), (str(door), other)


def test_no_letter_of_another_script_is_folded_into_an_allowed_address(house: House) -> None:
    """U+212A, the Kelvin sign, lower-cased is a k: whoever owned such an address would be the one that is allowed."""
    verifier = IdentityVerifier(["https://x.invalid"], [house.issuer.url], IssuerKeys(house.issuer.jwks_url))
    plain, kelvin = (house.issuer.key.mint(f"des{k}@fleet.invalid", "https://x.invalid") for k in ("K", "\u212a"))
    assert verifier.verify(f"Bearer {plain}").email == "desk@fleet.invalid"
    with pytest.raises(IdentityUnproven):
        verifier.verify(f"Bearer {kelvin}")


def test_an_address_that_only_looks_like_an_allowed_one_is_another_caller(house: House) -> None:
    with house.nothing_changes():
        for door in house.doors:
            email = house.caller(door)
            for looks_alike in (
                email.replace("s", "\u017f"),
                email.replace("i", "\u0130"),
                email + "\u200b",
                " " + email,
                email + "\n",
                email + "\0",
                email.replace("@", "\uff20"),
            ):
                if looks_alike != email:
                    answer = house.post(door, good_body(house, door), house.identity(looks_alike, door.service))
                    assert answer.status_code in (401, 403), (str(door), ascii(looks_alike))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CloudTasks-TaskName": "outbox-1", "X-CloudTasks-QueueName": "gchostpay1-batch-queue"},
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1;proto=https"},
        {"X-Appengine-Cron": "true", "X-Cloudscheduler": "true", "User-Agent": "Google-Cloud-Scheduler"},
        {"X-Goog-Authenticated-User-Email": "accounts.google.com:scheduler@sandbox.invalid"},
        {"X-Serverless-Authorization": "Bearer x", "X-Goog-Iap-Jwt-Assertion": "x"},
        {"Cookie": "session=admin; Authorization=Bearer x"},
        {"X-Signature": "0" * 64, "X-Request-Timestamp": "1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_header_stands_in_for_an_identity(house: House, headers: dict[str, str]) -> None:
    with house.nothing_changes():
        for door in house.doors:
            answer = house.post(door, good_body(house, door), headers)
            assert answer.status_code == 401, (str(door), answer.get_data(as_text=True))


def test_two_identities_in_one_call_are_none(house: House) -> None:
    """A proxy may join repeated headers; whichever half is believed, it is not by luck the allowed one."""
    with house.nothing_changes():
        for door in house.doors:
            good = house.identity(house.caller(door), door.service)["Authorization"]
            for joined in (f"{good}, Bearer x", f"{good},{good}", f"Bearer x, {good}", f"{good} {good}"):
                answer = house.post(door, good_body(house, door), {"Authorization": joined})
                assert answer.status_code == 401, (str(door), joined[-20:])


def test_behind_cloud_run_nobody_writes_another_identity_beside_his_own(house: House) -> None:
    """Cloud Run's IAM checks X-Serverless-Authorization when it is there, and passes Authorization on as it came.

    Whoever may call a service at all could then call it as anybody: the words for a removed signature are no secret.
    """
    apps = {
        name: an_app(name, each | {"IDENTITY_CHECKED_BY": "cloud_run"}) for name, each in house.environments.items()
    }
    with house.nothing_changes():
        for door in house.doors:
            client, body = apps[door.service].test_client(), good_body(house, door)
            forged = house.identity(house.caller(door), door.service)["Authorization"].rpartition(".")[0]
            forged += ".SIGNATURE_REMOVED_BY_GOOGLE"
            own = house.identity(house.who.scheduler, door.service)["Authorization"]
            for second in (own, own.rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE", "", "x"):
                headers = JSON_TYPE | {"Authorization": forged, "X-Serverless-Authorization": second}
                answer = client.post(door.route.path, data=body, headers=headers)
                assert (answer.status_code, answer.get_json()["code"]) == (401, "identity_unproven"), str(door)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            joined = {"Authorization": f"{own},{forged}"}
            assert client.post(door.route.path, data=body, headers=JSON_TYPE | joined).status_code == 401, str(door)


def test_where_the_service_checks_signatures_itself_the_words_for_a_removed_one_are_worth_nothing(house: House) -> None:
    with house.nothing_changes():
        for door in house.doors:
            forged = house.identity(house.caller(door), door.service)["Authorization"].rpartition(".")[0]
            for words in ("SIGNATURE_REMOVED_BY_GOOGLE", "signature_removed_by_google", ""):
                headers = {"Authorization": f"{forged}.{words}"}
                assert house.post(door, good_body(house, door), headers).status_code == 401, (str(door), words)
