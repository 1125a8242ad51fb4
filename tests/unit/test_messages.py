"""The ten messages, their field rules, their bytes, and the ten edges they may go over."""

from dataclasses import FrozenInstanceError, replace

import pytest

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
    Message,
    MessageInvalid,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapExecuted,
    SwapFailed,
    TransferFinal,
    TransferVoided,
    VoidTransfer,
    as_sentence,
    batch_of_unique_id,
    batch_unique_id,
    decode_body,
    edge_named,
    encode_body,
)

BATCH = "3f2a8c1e-0b4d-4c6f-9a7e-1d2c3b4a5f60"
ORDER = "3a2360771439a3"
DEPOSIT = "0x52908400098527886E0F7030069857D2E4169EE7"
HOST = "0x" + "a1" * 20
ETH_TX = "0x" + "ab" * 32
USDT_TX = "0x" + "cd" * 32
WEI = 123_456_780_000_000_000

EXAMPLES: list[Message] = [
    InstantPayout("pay-2026_01", ORDER, "eth", "eth", WEI, DEPOSIT),
    PayBatch(BATCH, ORDER, "eth", "eth", WEI, DEPOSIT),
    CheckOrder(batch_unique_id(BATCH), ORDER, "eth", "eth", "usdt", "eth", WEI, DEPOSIT, HOST),
    OrderChecked(batch_unique_id(BATCH), ORDER, "not_waiting", "expired", "the exchange says expired"),
    PayOrder(batch_unique_id(BATCH), "batch", ORDER, "eth", "eth", WEI, DEPOSIT),
    DriveAccount(HOST, 1),
    TransferFinal(batch_unique_id(BATCH), ORDER, "settled", ETH_TX, WEI),
    CheckArrival(batch_unique_id(BATCH), ORDER, 0),
    SwapExecuted(BATCH, ORDER, ETH_TX, USDT_TX, 165_558_791),
    SwapFailed(BATCH, ORDER, "refunded — at the exchange’s word", ""),
    GiveUpOrder(BATCH, ORDER),
    VoidTransfer(batch_unique_id(BATCH), ORDER),
    TransferVoided(batch_unique_id(BATCH, 2), ORDER, "void"),
    DeliverAlert(7, 0),
]


def test_every_message_class_has_its_own_type_byte_and_an_example_here() -> None:
    assert [message.TYPE for message in EXAMPLES] == list(range(1, 15)) == list(MESSAGE_TYPES)
    assert [type(message) for message in EXAMPLES] == list(MESSAGE_TYPES.values())


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_outbox(message: Message) -> None:
    assert decode_body(message.TYPE, encode_body(message)) == message


def test_a_body_is_its_fields_in_order_and_nothing_else() -> None:
    assert encode_body(DriveAccount(HOST, 1)) == b"\x00\x2a" + HOST.encode() + b"\x01\x01"
    assert encode_body(CheckArrival("u", "o", 0)) == b"\x00\x01u" + b"\x00\x01o" + b"\x00"
    assert encode_body(CheckArrival("u", "o", 256)) == b"\x00\x01u" + b"\x00\x01o" + b"\x02\x01\x00"
    sentence = encode_body(replace(EXAMPLES[9], reason="é"))  # type: ignore[call-arg]
    assert b"\x00\x02\xc3\xa9" in sentence  # the length counts bytes


NOT_AN_ID = "must be 1 to 64 of 0-9 A-Z a-z _ -"
NOT_AN_ADDRESS = "must be 0x and 40 hex digits"
NOT_A_HASH = "must be 0x and 64 lower-case hex digits"
NOT_A_UUID = "must be a UUID in lower case with dashes"
BY_TYPE = {type(message).__name__: message for message in EXAMPLES}


@pytest.mark.parametrize(
    ("kind", "field", "value", "rule"),
    [
        ("InstantPayout", "unique_id", "", NOT_AN_ID),
        ("InstantPayout", "unique_id", "a" * 65, NOT_AN_ID),
        ("InstantPayout", "unique_id", "a b", NOT_AN_ID),
        ("InstantPayout", "unique_id", "a\n", NOT_AN_ID),
        ("InstantPayout", "unique_id", "é", NOT_AN_ID),
        ("InstantPayout", "unique_id", 7, "must be text"),
        ("InstantPayout", "unique_id", f"batch_{BATCH}", "must not begin with batch_"),
        ("InstantPayout", "cn_api_id", "../v2", NOT_AN_ID),
        ("InstantPayout", "from_currency", "ETH", "must be 1 to 20 of 0-9 a-z"),
        ("InstantPayout", "from_network", "", "must be 1 to 20 of 0-9 a-z"),
        ("InstantPayout", "amount_wei", 0, "must be at least 1"),
        ("InstantPayout", "amount_wei", -1, "must be at least 1"),
        ("InstantPayout", "amount_wei", 2**256, "is too large"),
        ("InstantPayout", "amount_wei", 1.0, "must be a whole number"),
        ("InstantPayout", "amount_wei", True, "must be a whole number"),
        ("InstantPayout", "amount_wei", "1", "must be a whole number"),
        ("InstantPayout", "payin_address", DEPOSIT[:-1], NOT_AN_ADDRESS),
        ("InstantPayout", "payin_address", DEPOSIT + "0", NOT_AN_ADDRESS),
        ("InstantPayout", "payin_address", "0X" + DEPOSIT[2:], NOT_AN_ADDRESS),
        ("InstantPayout", "payin_address", DEPOSIT[2:], NOT_AN_ADDRESS),
        ("PayBatch", "batch_conversion_id", BATCH.upper(), NOT_A_UUID),
        ("PayBatch", "batch_conversion_id", BATCH.replace("-", ""), NOT_A_UUID),
        ("PayBatch", "batch_conversion_id", f"{{{BATCH}}}", NOT_A_UUID),
        ("PayBatch", "batch_conversion_id", f"urn:uuid:{BATCH}", NOT_A_UUID),
        ("PayBatch", "amount_wei", 0, "must be at least 1"),
        ("CheckOrder", "payout_address", "", "must be 1 to 128 printable characters without blanks"),
        ("CheckOrder", "amount_wei", 0, "must be at least 1"),
        ("OrderChecked", "verdict", "fine", "must be one of payable, not_waiting, mismatch, not_found, unclear"),
        ("OrderChecked", "verdict", "payable ", "must be one of payable, not_waiting, mismatch, not_found, unclear"),
        ("OrderChecked", "exchange_status", "Waiting", "must be at most 32 of 0-9 a-z _ -"),
        ("OrderChecked", "detail", "two\nlines", "must be printable text on one line"),
        ("OrderChecked", "detail", "\ud800", "must be printable text on one line"),
        ("OrderChecked", "detail", "x" * 301, "must not be longer than 300 characters"),
        ("OrderChecked", "detail", None, "must be text"),
        ("PayOrder", "context", "threshold", "must be one of batch, instant"),
        ("PayOrder", "context", "instant", "of an instant payout must not begin with batch_"),
        ("PayOrder", "unique_id", "batch_3f2a8c1e", "of a batch must be batch_, its UUID and maybe a number"),
        ("PayOrder", "unique_id", "pay-1", "of a batch must be batch_, its UUID and maybe a number"),
        ("PayOrder", "amount_wei", 0, "must be at least 1"),
        ("DriveAccount", "account", "wallet", NOT_AN_ADDRESS),
        ("DriveAccount", "chain_id", 0, "must be at least 1"),
        ("DriveAccount", "chain_id", 2**63, "is too large"),
        ("TransferFinal", "outcome", "sent", "must be one of settled, reverted, cancelled, foreign, held"),
        ("TransferFinal", "tx_hash", ETH_TX.upper(), f"must be empty or {NOT_A_HASH.removeprefix('must be ')}"),
        ("TransferFinal", "tx_hash", "", "must be given for a transfer that settled"),
        ("TransferFinal", "amount_wei", 0, "must be at least 1"),
        ("CheckArrival", "poll", -1, "must be at least 0"),
        ("CheckArrival", "poll", 2**31, "is too large"),
        ("SwapExecuted", "eth_tx_hash", "", NOT_A_HASH),
        ("SwapExecuted", "usdt_tx_hash", ETH_TX[2:], NOT_A_HASH),
        ("SwapExecuted", "usdt_units", 0, "must be at least 1"),
        ("SwapFailed", "refund_tx_hash", "none", f"must be empty or {NOT_A_HASH.removeprefix('must be ')}"),
        ("SwapFailed", "reason", "\x1b[31m", "must be printable text on one line"),
    ],
)
def test_a_field_that_breaks_its_rule_cannot_be_made(kind: str, field: str, value: object, rule: str) -> None:
    message = BY_TYPE[kind]
    with pytest.raises(MessageInvalid) as invalid:
        replace(message, **{field: value})
    expected_field = "unique_id" if rule.startswith("of an instant") else field
    assert (invalid.value.message_type, invalid.value.field, invalid.value.rule) == (kind, expected_field, rule)
    assert str(invalid.value) == f"{kind}: {expected_field} {rule}"


def test_a_transfer_that_was_never_sent_has_no_hash() -> None:
    held = TransferFinal("pay-1", ORDER, "held", "", WEI)
    assert decode_body(TransferFinal.TYPE, encode_body(held)) == held


def test_the_largest_values_fit() -> None:
    largest = InstantPayout("u" * 64, "o" * 64, "e" * 20, "n" * 20, 2**256 - 1, DEPOSIT)
    assert decode_body(InstantPayout.TYPE, encode_body(largest)) == largest


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        BY_TYPE["DriveAccount"].chain_id = 5  # type: ignore[attr-defined]


def test_a_batch_is_requested_under_its_whole_uuid() -> None:
    assert batch_unique_id(BATCH) == f"batch_{BATCH}"
    assert len(batch_unique_id(BATCH)) == 42


DRIVE = encode_body(BY_TYPE["DriveAccount"])


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"", "account", "is cut short"),
        (DRIVE[:1], "account", "is cut short"),
        (DRIVE[:20], "account", "is cut short"),
        (DRIVE[:-2], "chain_id", "is cut short"),
        (DRIVE[:-1], "chain_id", "is cut short"),
        (DRIVE + b"\0", "body", "has 1 bytes left over"),
        (DRIVE[:-2] + b"\x02\x00\x01", "chain_id", "has leading zero bytes"),
        (DRIVE[:-2] + b"\x01\x00", "chain_id", "has leading zero bytes"),
        (DRIVE[:-2] + b"\x00", "chain_id", "must be at least 1"),
        (DRIVE[:-2] + b"\x21" + b"\x01" * 33, "chain_id", "is too large"),
        (DRIVE[:-2] + b"\x20" + b"\x01" * 32, "chain_id", "is too large"),
        (DRIVE[:-2] + b"\x21", "chain_id", "is too large"),
        (b"\x00\x02\xff\xfe" + DRIVE[-2:], "account", "must be UTF-8"),
        (b"\x00\x02\xc0\x80" + DRIVE[-2:], "account", "must be UTF-8"),
        (b"\xff\xff" + DRIVE[2:], "account", "is cut short"),
    ],
)
def test_a_body_with_any_other_bytes_is_refused_with_the_field(body: bytes, field: str, rule: str) -> None:
    with pytest.raises(MessageInvalid) as invalid:
        decode_body(DriveAccount.TYPE, body)
    assert (invalid.value.field, invalid.value.rule) == (field, rule)


@pytest.mark.parametrize("message_type", [0, 15, 255, -1])
def test_an_unknown_type_is_refused(message_type: int) -> None:
    with pytest.raises(MessageInvalid, match="is unknown"):
        decode_body(message_type, b"")


def test_a_batchs_second_order_is_requested_under_another_name_that_still_names_the_batch() -> None:
    assert batch_unique_id(BATCH, 2) == f"batch_{BATCH}_2"
    for number in (1, 2, 10, 99):
        assert batch_of_unique_id(batch_unique_id(BATCH, number)) == BATCH
        PayOrder(batch_unique_id(BATCH, number), "batch", ORDER, "eth", "eth", WEI, DEPOSIT)
    for odd in (f"batch_{BATCH}_1", f"batch_{BATCH}_02", f"batch_{BATCH}_", f"batch_{BATCH}_2_2", "pay-1"):
        assert batch_of_unique_id(odd) is None


def test_a_third_partys_words_always_fit_a_sentence_field() -> None:
    assert as_sentence("on hold:\n  see\tticket") == "on hold: see ticket"
    assert as_sentence("a\x1b[31mb\ud800") == "a?[31mb?"
    assert as_sentence("x" * 300) == "x" * 300
    assert as_sentence("x" * 301) == "x" * 297 + "..."
    for text in ("", "\0", "\x85", "é" * 1000, "\u2028"):
        OrderChecked("u", ORDER, "not_found", "", as_sentence(text))


EDGE_TABLE = [
    # name, queue setting, its default, URL setting, message, secret
    "upstream>conductor:/ GCHOSTPAY1_QUEUE gcsplit-hostpay-trigger-queue GCHOSTPAY1_URL InstantPayout external",
    "batcher>conductor:/ GCHOSTPAY1_BATCH_QUEUE gchostpay1-batch-queue GCHOSTPAY1_URL PayBatch GiveUpOrder internal",
    "conductor>watcher:/ GCHOSTPAY2_QUEUE gchostpay2-status-check-queue GCHOSTPAY2_URL CheckOrder internal",
    (
        "watcher>conductor:/status-verified GCHOSTPAY1_RESPONSE_QUEUE gchostpay1-response-queue GCHOSTPAY1_URL"
        " OrderChecked internal"
    ),
    "conductor>executor:/ GCHOSTPAY3_QUEUE gchostpay3-payment-exec-queue GCHOSTPAY3_URL PayOrder VoidTransfer internal",
    "executor>executor:/drive GCHOSTPAY3_RETRY_QUEUE gchostpay3-retry-queue GCHOSTPAY3_URL DriveAccount internal",
    (
        "executor>conductor:/payment-completed GCHOSTPAY1_RESPONSE_QUEUE gchostpay1-response-queue GCHOSTPAY1_URL"
        " TransferFinal TransferVoided internal"
    ),
    (
        "conductor>conductor:/retry-callback-check GCHOSTPAY1_RESPONSE_QUEUE gchostpay1-response-queue GCHOSTPAY1_URL"
        " CheckArrival internal"
    ),
    (
        "conductor>batcher:/swap-executed MICROBATCH_RESPONSE_QUEUE microbatch-response-queue MICROBATCH_URL"
        " SwapExecuted internal"
    ),
    (
        "conductor>batcher:/swap-failed MICROBATCH_RESPONSE_QUEUE microbatch-response-queue MICROBATCH_URL"
        " SwapFailed internal"
    ),
    "batcher>batcher:/deliver-alert MICROBATCH_ALERT_QUEUE microbatch-alert-queue SERVICE_URL DeliverAlert internal",
]


def test_these_are_all_the_edges() -> None:
    written = [
        " ".join([edge.name, edge.queue_setting, edge.queue, edge.url_setting, *names(edge), edge.secret])
        for edge in ALL_EDGES
    ]
    assert written == EDGE_TABLE


def names(edge: Edge) -> list[str]:
    return [kind.__name__ for kind in edge.messages]


def test_an_edge_is_found_by_its_name_alone() -> None:
    assert [edge_named(edge.name) for edge in ALL_EDGES] == list(ALL_EDGES)
    with pytest.raises(KeyError):
        edge_named("batcher>executor:/")


def test_every_message_goes_over_exactly_one_edge() -> None:
    carried = [kind for edge in ALL_EDGES for kind in edge.messages]
    assert sorted(kind.TYPE for kind in carried) == list(MESSAGE_TYPES)


def test_only_upstream_uses_the_external_secret() -> None:
    assert [edge.producer for edge in ALL_EDGES if edge.secret == "external"] == ["upstream"]


def test_messages_outlive_the_queues_retries_and_never_die_within_five_minutes() -> None:
    assert {edge.max_age_s for edge in ALL_EDGES} == {25 * 3600}
    assert replace(ALL_EDGES[0], max_age_s=300).max_age_s == 300
    with pytest.raises(ValueError, match="at least 300 s"):
        replace(ALL_EDGES[0], max_age_s=299)
