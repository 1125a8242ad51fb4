"""Every named history under its name."""

from __future__ import annotations

from typing import Final

from shared.sandbox.simulator.histories import History
from shared.sandbox.simulator.named import exchange_side, mechanisms, predecessor, senders
from shared.sandbox.simulator.profile import Profile

_SCRIPTS: Final = (
    ("OZ #817", senders.oz_817),
    ("OZ #818", senders.oz_818),
    ("OZ #836", senders.oz_836),
    ("OZ #843", senders.oz_843),
    ("rrelayer #113", senders.rrelayer_113),
    ("celo #11790", senders.celo_11790),
    ("Orchestrate #42", senders.orchestrate_42),
    ("FireFly's lost hash", senders.firefly_lost_hash),
    ("BTCPay #6540", senders.btcpay_6540),
    ("BTCPay #5913", senders.btcpay_5913),
    ("USDT blacklist", exchange_side.usdt_blacklist),
    ("USDT fee transfer", exchange_side.usdt_fee_transfer),
    ("L-01", predecessor.l_01),
    ("L-02", predecessor.l_02),
    ("L-03", predecessor.l_03),
    *((f"L-04, {point}", predecessor.l_04(point)) for point in predecessor.DEATHS),
    ("L-19", predecessor.l_19),
    ("L-19, two batches", senders.two_batches),
    ("L-20, dropped", predecessor.l_20_dropped),
    ("L-20, moved", predecessor.l_20_moved),
    ("L-20, replaced", predecessor.l_20_replaced),
    ("L-36", predecessor.l_36),
    ("L-36, at the ceiling", predecessor.l_36_at_the_ceiling),
    ("L-50", predecessor.l_50),
    ("L-52", predecessor.l_52),
    ("L-53", predecessor.l_53),
    ("orders_are_written_down_first", mechanisms.orders_are_written_down_first),
    ("killed_between_commit_and_task", mechanisms.killed_between_commit_and_task),
    ("an_answer_about_a_task_is_lost", mechanisms.an_answer_about_a_task_is_lost),
    ("a_payment_told_again_in_other_words", mechanisms.a_payment_told_again_in_other_words),
    ("two_ticks_at_once", mechanisms.two_ticks_at_once),
    ("two_distributions_at_once", mechanisms.two_distributions_at_once),
    ("refund_that_never_came", exchange_side.refund_that_never_came),
    ("one_provider_lies", mechanisms.one_provider_lies),
    ("more_than_a_day_may_carry", mechanisms.more_than_a_day_may_carry),
    ("sending_is_paused", mechanisms.sending_is_paused),
    ("a_quote_that_lies", exchange_side.a_quote_that_lies),
    ("one_payout_named_by_two_orders", exchange_side.one_payout_named_by_two_orders),
)
_SEED: Final = 12  # its world has three providers, two of which must agree

NAMED: Final[tuple[History, ...]] = (
    *(History(name, script, Profile(), _SEED) for name, script in _SCRIPTS),
    History("a_wallet_for_one", mechanisms.a_wallet_for_one, Profile(funds_short=1000), _SEED),
)


def history_named(name: str) -> History:
    """The history of this name. Raises KeyError."""
    return {history.name: history for history in NAMED}[name]
