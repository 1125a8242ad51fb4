"""What holds for every message, every token, and every way of spoiling one."""

import base64
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import (
    ALL_EDGES,
    MESSAGE_TYPES,
    CheckArrival,
    CheckOrder,
    DeliverAlert,
    DriveAccount,
    Edge,
    GiveUpOrder,
    InstantPayout,
    Keyring,
    Message,
    MessageInvalid,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapExecuted,
    SwapFailed,
    TokenExpired,
    TokenForeign,
    TokenMalformed,
    TokenVersionUnsupported,
    TransferFinal,
    TransferVoided,
    VoidTransfer,
    as_sentence,
    batch_unique_id,
    decode_body,
    encode_body,
    open_sealed,
    seal,
)
from shared.messages.spelling import MAX_TOKEN_LENGTH

QUICK = settings(max_examples=150, deadline=None)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = Keyring(internal=["inside-secret-0123456789"], external=["outside-secret-0123456789"])

ids = st.text("0123456789ABCDEFabcdef_-", min_size=1, max_size=64)
batch_ids = st.uuids().map(str)
tickers = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
hashes = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())
hashes_or_none = st.just("") | hashes
amounts = st.integers(1, 2**256 - 1) | st.integers(1, 300)
sentences = st.text(max_size=400).map(as_sentence)

OF_KIND: dict[type[Message], st.SearchStrategy[Message]] = {
    InstantPayout: st.builds(InstantPayout, ids, ids, tickers, tickers, amounts, addresses),
    PayBatch: st.builds(PayBatch, batch_ids, ids, tickers, tickers, amounts, addresses),
    CheckOrder: st.builds(CheckOrder, ids, ids, tickers, tickers, tickers, tickers, amounts, addresses, addresses),
    OrderChecked: st.builds(
        OrderChecked,
        ids,
        ids,
        st.sampled_from(["payable", "not_waiting", "mismatch", "not_found"]),
        st.sampled_from(["", "waiting", "finished"]),
        sentences,
    ),
    PayOrder: st.builds(
        PayOrder,
        batch_ids.map(batch_unique_id),
        st.just("batch"),
        ids,
        tickers,
        tickers,
        amounts,
        addresses,
    )
    | st.builds(PayOrder, ids, st.just("instant"), ids, tickers, tickers, amounts, addresses),
    DriveAccount: st.builds(DriveAccount, addresses, st.integers(1, 2**63 - 1)),
    TransferFinal: st.builds(
        TransferFinal, ids, ids, st.sampled_from(["cancelled", "foreign", "held"]), hashes_or_none, amounts
    )
    | st.builds(TransferFinal, ids, ids, st.sampled_from(["settled", "reverted"]), hashes, amounts),
    CheckArrival: st.builds(CheckArrival, ids, ids, st.integers(0, 2**31 - 1)),
    SwapExecuted: st.builds(SwapExecuted, batch_ids, ids, hashes, hashes, amounts),
    SwapFailed: st.builds(SwapFailed, batch_ids, ids, sentences, hashes_or_none),
    GiveUpOrder: st.builds(GiveUpOrder, batch_ids, ids),
    VoidTransfer: st.builds(VoidTransfer, ids, ids),
    TransferVoided: st.builds(TransferVoided, ids, ids, st.sampled_from(["void", "repayable", "not_void"])),
    DeliverAlert: st.builds(DeliverAlert, st.integers(1, 2**63 - 1), st.integers(0, 2**31 - 1)),
}
messages = st.one_of(*OF_KIND.values())
message_ids = st.binary(min_size=16, max_size=16)


def edge_of(message: Message) -> Edge:
    return next(edge for edge in ALL_EDGES if type(message) in edge.messages)


def sealed(message: Message, message_id: bytes = bytes(16)) -> bytes:
    token = seal(edge_of(message), message, KEYS, message_id, NOW)
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def spelled(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def test_every_message_class_is_tried() -> None:
    assert list(OF_KIND) == list(MESSAGE_TYPES.values())


@QUICK
@given(message=messages)
def test_every_message_survives_being_written_and_read(message: Message) -> None:
    assert decode_body(message.TYPE, encode_body(message)) == message


@QUICK
@given(message=messages, message_id=message_ids, age_s=st.integers(-5, 25 * 3600))
def test_every_fresh_token_opens_on_its_own_edge(message: Message, message_id: bytes, age_s: int) -> None:
    edge, issued_at = edge_of(message), NOW - timedelta(seconds=age_s)
    token = seal(edge, message, KEYS, message_id, issued_at)
    assert len(token) <= MAX_TOKEN_LENGTH
    opened = open_sealed(edge, token, KEYS, NOW)
    assert (opened.edge, opened.message, opened.message_id) == (edge, message, message_id)
    assert opened.issued_at == issued_at


@QUICK
@given(message=messages, age_s=st.integers(-(10**9), -6) | st.integers(25 * 3600 + 1, 10**9))
def test_every_token_outside_its_time_is_expired(message: Message, age_s: int) -> None:
    token = seal(edge_of(message), message, KEYS, bytes(16), NOW - timedelta(seconds=age_s))
    with pytest.raises(TokenExpired):
        open_sealed(edge_of(message), token, KEYS, NOW)


@QUICK
@given(message=messages)
def test_every_other_edge_refuses_the_token(message: Message) -> None:
    token = spelled(sealed(message))
    others = [edge for edge in ALL_EDGES if edge != edge_of(message)]
    for edge in others:
        with pytest.raises(TokenForeign):
            open_sealed(edge, token, KEYS, NOW)
    with pytest.raises(TokenForeign):
        open_sealed(others, token, KEYS, NOW)


@pytest.mark.parametrize("message_type", MESSAGE_TYPES)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_every_change_of_one_byte_is_refused(message_type: int, data: st.DataObject) -> None:
    message = data.draw(OF_KIND[MESSAGE_TYPES[message_type]])
    edge, token = edge_of(message), sealed(message)
    flip = data.draw(st.integers(1, 255))
    for place in range(len(token)):
        changed = token[:place] + bytes([token[place] ^ flip]) + token[place + 1 :]
        with pytest.raises(TokenVersionUnsupported if place == 0 else TokenForeign):
            open_sealed(edge, spelled(changed), KEYS, NOW)


@QUICK
@given(message=messages, data=st.data())
def test_every_change_of_one_character_is_refused(message: Message, data: st.DataObject) -> None:
    token = spelled(sealed(message))
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters().filter(lambda c: c != token[place]))
    with pytest.raises((TokenMalformed, TokenForeign, TokenVersionUnsupported)):
        open_sealed(edge_of(message), token[:place] + character + token[place + 1 :], KEYS, NOW)


@settings(max_examples=15, deadline=None)
@given(message=messages)
def test_every_shortened_token_is_refused(message: Message) -> None:
    edge, token, text = edge_of(message), sealed(message), spelled(sealed(message))
    for length in range(len(token)):
        with pytest.raises((TokenMalformed, TokenForeign)):
            open_sealed(edge, spelled(token[:length]), KEYS, NOW)
    for length in range(len(text)):
        with pytest.raises((TokenMalformed, TokenForeign)):
            open_sealed(edge, text[:length], KEYS, NOW)


@QUICK
@given(message=messages, more=st.binary(min_size=1, max_size=40), place=st.integers(0, 2000))
def test_every_lengthened_token_is_refused(message: Message, more: bytes, place: int) -> None:
    edge, token = edge_of(message), sealed(message)
    at = place % (len(token) + 1)
    for longer in (token + more, more + token, token[:at] + more + token[at:]):
        with pytest.raises((TokenMalformed, TokenForeign, TokenVersionUnsupported)):
            open_sealed(edge, spelled(longer), KEYS, NOW)


@QUICK
@given(one=messages, other=messages)
def test_parts_of_two_tokens_make_no_third(one: Message, other: Message) -> None:
    first, second = sealed(one, b"1" * 16), sealed(other, b"2" * 16)
    for spliced in (first[:-16] + second[-16:], first[:30] + second[30:], second[:6] + first[6:]):
        if spliced in (first, second):
            continue
        with pytest.raises((TokenForeign, TokenMalformed)):
            open_sealed(ALL_EDGES, spelled(spliced), KEYS, NOW)


@QUICK
@given(message=messages, secret=st.binary(min_size=16, max_size=40).filter(lambda s: s == s.strip()))
def test_no_other_secret_opens_or_seals_a_token(message: Message, secret: bytes) -> None:
    edge = edge_of(message)
    strangers = Keyring(internal=[secret + b"i"], external=[secret + b"e"])
    with pytest.raises(TokenForeign):
        open_sealed(edge, spelled(sealed(message)), strangers, NOW)
    with pytest.raises(TokenForeign):
        open_sealed(edge, seal(edge, message, strangers, bytes(16), NOW), KEYS, NOW)


@QUICK
@given(text=st.text(max_size=200) | st.binary(max_size=300).map(spelled))
def test_any_text_at_all_is_refused_in_one_of_four_ways(text: str) -> None:
    with pytest.raises((TokenMalformed, TokenForeign, TokenExpired, TokenVersionUnsupported)):
        open_sealed(ALL_EDGES, text, KEYS, NOW)


@QUICK
@given(message_type=st.sampled_from(list(MESSAGE_TYPES)), body=st.binary(max_size=200))
def test_any_bytes_are_a_message_in_its_one_encoding_or_refused(message_type: int, body: bytes) -> None:
    with suppress(MessageInvalid):  # and nothing but MessageInvalid
        assert encode_body(decode_body(message_type, body)) == body


@QUICK
@given(message=messages, data=st.data())
def test_no_two_bodies_are_the_same_message(message: Message, data: st.DataObject) -> None:
    body = encode_body(message)
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
    with suppress(MessageInvalid):
        other = decode_body(message.TYPE, changed)
        assert other != message
        assert encode_body(other) == changed


@QUICK
@given(text=st.text(max_size=600))
def test_any_text_can_be_told_to_a_person(text: str) -> None:
    sentence = as_sentence(text)
    assert as_sentence(sentence) == sentence
    failed = SwapFailed("3f2a8c1e-0b4d-4c6f-9a7e-1d2c3b4a5f60", "o", sentence, "")
    assert decode_body(SwapFailed.TYPE, encode_body(failed)) == failed
