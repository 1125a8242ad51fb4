"""Every kind of message at every route and on every edge: only its own route opens it, and each fault has its name."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import pytest

from shared.messages import ALL_EDGES, MESSAGE_TYPES, Edge, Keyring, Message, MessageInvalid, decode_body
from tests.about_nobody import as_bytes, as_text
from tests.security.house import Door, House, message_kinds, token_body
from tests.security.tokens import body_of, forged, sealed

KINDS = message_kinds()
OF_TOKENS = {"token_malformed", "token_foreign", "token_expired", "token_version_unsupported", "token_missing"}
every_kind = pytest.mark.parametrize(
    ("edge", "kind"), KINDS, ids=[f"{kind.__name__} on {edge.name}" for edge, kind in KINDS]
)


def token_doors(house: House) -> list[Door]:
    return [door for door in house.doors if door.edge is not None]


def door_of(house: House, edge: Edge) -> Door:
    return next(door for door in house.doors if door.edge == edge)


def test_every_kind_of_message_has_exactly_one_edge_and_every_edge_a_door(house: House) -> None:
    assert sorted(kind.TYPE for _, kind in KINDS) == sorted(MESSAGE_TYPES)
    assert {door.edge for door in token_doors(house)} == set(ALL_EDGES)


@every_kind
def test_a_genuine_token_is_opened_at_its_own_route_and_is_foreign_at_every_other(
    house: House, edge: Edge, kind: type[Message]
) -> None:
    token = token_body(sealed(edge, house.keyring, kind))
    opened = []
    for door in token_doors(house):
        with house.nothing_changes() if edge not in door.route.edges else nullcontext():
            answer = house.post(door, token)
            code = answer.get_json().get("code")
            if edge == door.edge:
                assert code not in OF_TOKENS, (str(door), answer.get_data(as_text=True))
                opened.append(str(door))
            elif edge in door.route.edges:  # a shared route: right token, wrong one of its callers
                assert (answer.status_code, code) == (403, "caller_not_allowed"), str(door)
            else:
                assert (answer.status_code, code) == (401, "token_foreign"), str(door)
    assert opened == [str(door_of(house, edge))]


@every_kind
def test_a_foreign_token_that_a_queue_delivers_is_refused_for_good_and_the_refusal_is_committed(
    house: House, edge: Edge, kind: type[Message]
) -> None:
    """Also a queue of ours may be written to by somebody else; what he wrote is kept for a person to see."""
    token = token_body(sealed(edge, house.keyring, kind))
    for door in token_doors(house):
        if edge in door.route.edges:
            continue
        before = house.standing()
        answer = house.post(door, token, task=f"{door}-{kind.__name__}")
        assert (answer.status_code, answer.get_json()["status"]) == (200, "refused"), str(door)
        assert answer.get_json()["code"] == "token_foreign"
        kept = {} if door.service == "GCHostPay2" else {"refused_message": 1, "alert": 1}
        after = house.standing()
        assert before.changed_tables(after) == kept, str(door)
        assert before.tasks == after.tasks


def test_who_holds_an_edges_key_can_seal_none_but_its_own_kinds(house: House) -> None:
    """A status question can never be a pay order, even with the right key under it."""
    with house.nothing_changes():
        for door in token_doors(house):
            edge = door.edge
            assert edge is not None
            for kind in MESSAGE_TYPES.values():
                if kind in edge.messages:
                    continue
                token = forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(kind))
                answer = house.post(door, token_body(token))
                assert (answer.status_code, answer.get_json()["code"]) == (401, "token_foreign"), (str(door), kind)
            for number in {0, *range(15, 20), 127, 128, 255} - set(MESSAGE_TYPES):
                token = forged(edge, house.keyring, message_type=number, body=b"")
                assert house.post(door, token_body(token)).get_json()["code"] == "token_foreign", (str(door), number)


def test_a_body_of_another_kind_under_the_right_type_is_malformed_and_changes_nothing(house: House) -> None:
    """Two kinds of one edge must not be read as each other by chance of their layout."""
    with house.nothing_changes():
        for edge, kind in KINDS:
            door = door_of(house, edge)
            for other in MESSAGE_TYPES.values():
                if body_of(other) == body_of(kind) or _reads_as(kind, other):
                    continue
                token = forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(other))
                answer = house.post(door, token_body(token))
                assert (answer.status_code, answer.get_json()["code"]) == (400, "token_malformed"), (kind, other)


def test_each_fault_of_a_token_is_told_by_its_own_code(house: House) -> None:
    swapped = Keyring(internal=[house.world.upstream_key], external=[house.world.internal_key])
    for edge, kind in KINDS:
        door = door_of(house, edge)
        good = sealed(edge, house.keyring, kind)
        raw = as_bytes(good)
        oldest = timedelta(seconds=edge.max_age_s + 2)
        faults = {
            "token_foreign": [
                sealed(edge, swapped, kind),
                as_text(raw[:-1] + bytes([raw[-1] ^ 1])),
                as_text(raw + b"\0"),
                forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(kind), edge_name="x>y:/"),
            ],
            "token_expired": [
                sealed(edge, house.keyring, kind, ahead=-oldest),
                sealed(edge, house.keyring, kind, ahead=timedelta(seconds=8)),
                forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(kind), issued_at_s=2**64 - 1),
                forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(kind), issued_at_s=0),
            ],
            "token_version_unsupported": [
                as_text(bytes([version]) + raw[1:]) for version in (0, 2, 3, 127, 255)
            ],
            "token_malformed": [
                good + "=",
                good[:20],
                forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(kind) + b"\0"),
                forged(edge, house.keyring, message_type=kind.TYPE, body=body_of(kind)[:-1]),
                forged(edge, house.keyring, message_type=kind.TYPE, body=b""),
            ],
        }  # fmt: skip
        with house.nothing_changes():
            for code, tokens in faults.items():
                for number, token in enumerate(tokens):
                    answer = house.post(door, token_body(token))
                    status = 401 if code in ("token_foreign", "token_expired") else 400
                    told = answer.get_json()
                    assert (answer.status_code, told["code"]) == (status, code), (kind.__name__, code, number, told)
                    assert token not in answer.get_data(as_text=True)


def test_the_previous_secret_opens_and_a_third_does_not(house: House) -> None:
    edge, kind = KINDS[1]
    old, new = "the secret before the rotation", house.world.internal_key
    keys = Keyring(internal=[new, old], external=[house.world.upstream_key])
    assert sealed(edge, keys, kind)  # the new one seals
    before = sealed(edge, Keyring(internal=[old]), kind)
    with house.nothing_changes():
        answer = house.post(door_of(house, edge), token_body(before))
        assert answer.get_json()["code"] == "token_foreign"  # this fleet never had it


def _reads_as(kind: type[Message], other: type[Message]) -> bool:
    """Whether the other kind's body is by its form also one of this kind: then only the type byte tells them apart."""
    try:
        decode_body(kind.TYPE, body_of(other))
    except MessageInvalid:
        return False
    return True
