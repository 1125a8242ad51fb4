"""What the product promises, and the tests that try to break each promise. The README shows this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise in one sentence, with its tests as path::name."""

    text: str
    tests: tuple[str, ...]


PROMISES: Final[tuple[Promise, ...]] = (
    Promise(
        "A payment is counted once, however often and however concurrently it is delivered.",
        (
            "tests/integration/test_intake.py::test_thirty_deliveries_by_twelve_threads_make_one_row",
            "tests/integration/test_intake.py::test_the_same_id_with_another_amount_client_or_wallet_is_a_conflict_and_the_first_stands",
            "tests/integration/test_batcher_races.py::test_twenty_ticks_at_once_make_one_batch",
        ),
    ),
    Promise(
        "A batch's ETH leaves the wallet at most once, and does leave it in the end: one transfer is one "
        "nonce, for ever.",
        (
            "tests/integration/test_executor_crashes.py::test_whoever_dies_where_the_order_is_paid_once_with_one_nonce_and_the_same_bytes",
            "tests/integration/test_executor_pays.py::test_concurrent_orders_and_drives_without_leases_give_each_order_one_nonce",
            "tests/integration/test_executor_pays.py::test_bytes_hash_intent_and_scan_start_are_committed_before_anything_is_sent",
        ),
    ),
    Promise(
        "Wei ordered = wei sent = the sum of the batch's rows, plus and less recorded dust. To the wei.",
        (
            "tests/integration/test_batcher_dust.py::test_every_wei_is_ordered_or_carried_on",
            "tests/integration/test_executor_pays.py::test_one_order_is_paid_to_the_wei_and_told_to_the_conductor",
        ),
    ),
    Promise(
        "Shares = USDT seen arriving on chain. To the unit.",
        (
            "tests/integration/test_batcher_shares.py::test_fifty_thirty_twenty_share_ninety_seven",
            "tests/integration/test_batcher_shares.py::test_seven_equal_payments_share_eight_and_a_half_the_lower_ids_get_the_units_left_over",
            "tests/integration/test_conductor_finds.py::test_the_log_counts_and_not_what_the_exchange_says_it_paid",
        ),
    ),
    Promise(
        "No success is answered unless the effect, or a durable intent to do it, is committed; no read that "
        'fails becomes zero, empty or "below the threshold".',
        (
            "tests/integration/test_intake.py::test_a_database_that_is_down_is_a_5xx_and_the_next_delivery_is_counted",
            "tests/integration/test_batcher_ticks.py::test_what_cannot_be_read_is_a_5xx_and_claims_nothing",
            "tests/integration/test_batcher_ticks.py::test_adoption_and_its_message_are_one_commit",
        ),
    ),
    Promise(
        'Absence is never evidence: a null receipt, a time-out, "nonce too low", a 404 or a missing field '
        "changes no state.",
        (
            "tests/integration/test_conductor_finds.py::test_an_order_that_cannot_be_read_stays_as_it_is_and_is_looked_at_again",
            "tests/integration/test_conductor_hears.py::test_an_order_that_is_not_shown_decides_nothing",
            "tests/integration/test_executor_chains.py::test_a_pooled_transaction_is_nowhere_until_a_block_has_it",
        ),
    ),
    Promise(
        "Nothing waits without a reason, an owner, a deadline and a next step that a person can read; what is "
        "late has an alert.",
        (
            "tests/unit/test_lifecycle.py::test_every_state_either_waits_with_its_four_answers_or_is_final",
            "tests/integration/test_conductor_sweeps.py::test_a_request_that_is_late_is_told_with_amount_reason_and_whom_it_waits_for",
        ),
    ),
    Promise(
        "No amount without its asset, no float anywhere near money; amounts are integers of the smallest unit.",
        (
            "tests/unit/test_check_rules.py::test_a_planted_fault_is_found_at_its_place",
            "tests/unit/test_money.py::test_the_type_checker_refuses_every_mix_up_before_anything_runs",
        ),
    ),
    Promise(
        "Nobody without a verified identity changes anything; no caller's field decides an amount or an "
        "address that our own rows already know.",
        (
            "tests/e2e/test_every_route_refuses.py::test_an_unproven_caller_gets_401_and_leaves_nothing",
            "tests/security/test_callers.py::test_only_the_callers_in_the_table_get_past_a_door",
            "tests/integration/test_executor_refuses.py::test_a_pay_order_that_differs_from_our_rows_pays_nothing_and_tells_a_person",
        ),
    ),
    Promise(
        "Every process may die at any line, every message may come twice, late, or never: the result is the same.",
        (
            "tests/integration/test_executor_crashes.py::test_the_crash_points_cover_the_whole_way",
            "tests/security/test_replay.py::test_everything_said_again_after_it_is_done_changes_nothing_and_pays_nothing",
            "tests/integration/test_conductor_routes.py::test_tasks_that_are_lost_doubled_late_and_out_of_order_end_in_the_same_books",
            "tests/simulation/test_every_purge.py::test_every_queue_purged_at_any_point_gives_the_shares_of_a_calm_day",
            "tests/e2e/test_chaos.py::test_whatever_a_seed_breaks_the_table_is_that_of_a_calm_day",
        ),
    ),
)
