"""How the envelope of a token may change while the fleet runs: what this build reads and seals, and the next one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.messages import (
    EXECUTOR_TO_CONDUCTOR,
    EXECUTOR_TO_EXECUTOR,
    MESSAGE_TYPES,
    READS,
    SEALS,
    DriveAccount,
    Format,
    Keyring,
    TokenExpired,
    TokenForeign,
    TokenMalformed,
    TokenVersionUnsupported,
    TransferFinal,
    TransferVoided,
    open_sealed,
    seal,
)
from shared.messages.formats import FORMAT_1
from shared.messages.spelling import to_bytes, to_text

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = Keyring(internal=["the secret of the fleet"])
DRIVE = DriveAccount("0x" + "1a" * 20, 1)
NEXT = Format(version=2, mac_bytes=32)
BOTH = (FORMAT_1, NEXT)


def token(form: Format) -> str:
    return seal(EXECUTOR_TO_EXECUTOR, DRIVE, KEYS, bytes(16), NOW, form)


def test_this_build_seals_what_it_reads_and_reads_one_format_or_two_neighbours() -> None:
    assert SEALS in READS
    numbers = [form.version for form in READS]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert 1 <= len(numbers) <= 2


def test_during_a_change_both_formats_open_and_an_older_build_says_what_it_lacks() -> None:
    for form in BOTH:
        assert open_sealed(EXECUTOR_TO_EXECUTOR, token(form), KEYS, NOW, formats=BOTH).message == DRIVE
    with pytest.raises(TokenVersionUnsupported):
        open_sealed(EXECUTOR_TO_EXECUTOR, token(NEXT), KEYS, NOW)
    with pytest.raises(TokenVersionUnsupported):
        open_sealed(EXECUTOR_TO_EXECUTOR, token(FORMAT_1), KEYS, NOW, formats=[NEXT])


def test_the_formats_number_is_under_the_mac() -> None:
    """A token is not read by the rules of another format, whose MAC may be shorter."""
    for form, said in ((FORMAT_1, 2), (NEXT, 1)):
        other = bytes([said]) + to_bytes(token(form), least=1)[1:]
        with pytest.raises((TokenForeign, TokenMalformed)):
            open_sealed(EXECUTOR_TO_EXECUTOR, to_text(other), KEYS, NOW, formats=BOTH)


def test_the_other_answers_are_those_of_every_format() -> None:
    late = NOW + timedelta(seconds=EXECUTOR_TO_EXECUTOR.max_age_s + 1)
    with pytest.raises(TokenExpired):
        open_sealed(EXECUTOR_TO_EXECUTOR, token(NEXT), KEYS, late, formats=BOTH)
    cut = to_text(to_bytes(token(NEXT), least=1)[:50])
    with pytest.raises(TokenMalformed, match="cut short"):
        open_sealed(EXECUTOR_TO_EXECUTOR, cut, KEYS, NOW, formats=BOTH)
    changed = bytearray(to_bytes(token(NEXT), least=1))
    changed[-1] ^= 1  # the part of the MAC that the first format does not keep
    with pytest.raises(TokenForeign):
        open_sealed(EXECUTOR_TO_EXECUTOR, to_text(bytes(changed)), KEYS, NOW, formats=BOTH)


@pytest.mark.parametrize(("version", "mac_bytes"), [(0, 16), (0x20, 16), (3, 15), (3, 33)])
def test_a_format_that_could_be_taken_for_another_systems_or_is_weak_cannot_be_made(
    version: int, mac_bytes: int
) -> None:
    with pytest.raises(ValueError, match=r"from 1 to 31|16 to 32 bytes"):
        Format(version, mac_bytes)


def test_a_message_that_changes_gets_a_new_type_byte_and_its_consumer_takes_it_first() -> None:
    """What an old consumer does not carry is foreign to it; what it carries goes on beside the new one."""
    new = EXECUTOR_TO_CONDUCTOR
    old = replace(new, messages=(TransferFinal,))
    before = TransferFinal("up-1", "someorder00001", "held", "", 1)
    after = TransferVoided("up-1", "someorder00001", "void")
    assert old.name == new.name, "the messages of an edge are not in its key"
    for edge in (old, new):
        assert open_sealed(edge, seal(new, before, KEYS, bytes(16), NOW), KEYS, NOW).message == before
    assert open_sealed(new, seal(new, after, KEYS, bytes(16), NOW), KEYS, NOW).message == after
    with pytest.raises(TokenForeign):
        open_sealed(old, seal(new, after, KEYS, bytes(16), NOW), KEYS, NOW)


def test_no_type_byte_was_ever_given_to_another_message() -> None:
    """They stand in outboxes and queues of fleets that run. A new message is added at the end of this list."""
    assert {number: kind.__name__ for number, kind in MESSAGE_TYPES.items()} == {
        1: "InstantPayout",
        2: "PayBatch",
        3: "CheckOrder",
        4: "OrderChecked",
        5: "PayOrder",
        6: "DriveAccount",
        7: "TransferFinal",
        8: "CheckArrival",
        9: "SwapExecuted",
        10: "SwapFailed",
        11: "GiveUpOrder",
        12: "VoidTransfer",
        13: "TransferVoided",
        14: "DeliverAlert",
    }
