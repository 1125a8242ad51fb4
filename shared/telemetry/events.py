"""The vocabulary: every event that the fleet may log, and the mark under which people see it.

An event is a constant name in the past tense; a move of a machine has the same name here and in the history table. A
new event is added here first: a test compares this list with the code. The marks are the predecessor's, so that the
people who watched its log for months recognise what they see; JSON lines do not carry them.
"""

ACCEPTED = "✅"
CLAIMED = "📦"
DONE = "🎉"
WAITING = "⏳"
LATER = "⏰"
WRITTEN = "💾"
STARTED = "🚀"
ARRIVED = "💎"
FEE = "💸"
GAS = "⛽"
REPEATED = "🔄"
SIGNED = "🔐"
OPENED = "🔓"
ENTERED = "🎯"
LOOKED_UP = "🔍"
COUNTED = "📊"
SENT = "📤"
LINKED = "🔗"
NUMBERED = "🔢"
WARNED = "⚠️"
FAILED = "❌"
ALERTED = "🚨"
STOPPED = "🛑"
WALLET = "🏦"
NETWORK = "🌐"

_OF_THE_MACHINES = {
    # payment
    "payment_recorded": ACCEPTED,
    "payment_claimed": CLAIMED,
    "payment_released": REPEATED,
    "payment_unparked": REPEATED,
    "payment_parked": STOPPED,
    "share_credited": ARRIVED,
    # batch
    "batch_claimed": CLAIMED,
    "batch_swapping": STARTED,
    "batch_completed": DONE,
    "batch_released": REPEATED,
    "batch_reopened": REPEATED,
    "batch_parked": STOPPED,
    # order
    "order_sending": STARTED,
    "order_created": ACCEPTED,
    "order_adopted": LINKED,
    "order_refused": FAILED,
    "order_unclear": WARNED,
    "order_abandoned": STOPPED,
    "order_held": WAITING,
    "order_failed": FAILED,
    "order_expired": LATER,
    "order_finished": DONE,
    "order_refunded": REPEATED,
    # request
    "request_received": OPENED,
    "request_checking": LOOKED_UP,
    "request_paying": FEE,
    "request_watching": WAITING,
    "request_reported": SENT,
    "request_refunded": REPEATED,
    "request_abandoned": STOPPED,
    "request_parked": STOPPED,
    # transfer, its slot and its attempts
    "transfer_created": WRITTEN,
    "transfer_approved": ACCEPTED,
    "transfer_held": WAITING,
    "slot_reserved": NUMBERED,
    "attempt_signed": SIGNED,
    "attempt_sent": SENT,
    "transfer_included": LINKED,
    "transfer_inclusion_lost": WARNED,
    "transfer_settled": DONE,
    "transfer_reverted": FAILED,
    "transfer_cancelled": STOPPED,
    "transfer_foreign": ALERTED,
    "transfer_voided": STOPPED,
    "transfer_found_sent": LOOKED_UP,
    # the wallet's account
    "account_opened": WALLET,
    "account_frozen": ALERTED,
    "account_funded": WALLET,
    "account_low_on_funds": GAS,
    "account_recovered": ACCEPTED,
}

_OF_THE_SERVICES = {
    # intake
    "payment_repeated": REPEATED,
    "payment_conflicted": ALERTED,
    "intake_paused": STOPPED,
    # batcher
    "threshold_checked": COUNTED,
    "threshold_changed": COUNTED,
    "threshold_unreadable": WARNED,
    "batch_held_back": WAITING,
    "swap_failure_heard": WARNED,
    "quote_refused": WARNED,
    "shares_distributed": ARRIVED,
    "result_outside_band": ALERTED,
    # conductor and watcher
    "request_repeated": REPEATED,
    "request_refused": FAILED,
    "transfer_heard": OPENED,
    "order_looked_at": LOOKED_UP,
    "order_checked": LOOKED_UP,
    "order_reading_expired": LATER,
    # executor
    "transfer_repeated": REPEATED,
    "transfer_conflicted": ALERTED,
    "account_busy": WAITING,
    "sending_paused": STOPPED,
    "gas_booked": GAS,
    "attempt_repeated": REPEATED,
    "attempt_not_sent": WARNED,
    "attempt_bumped": FEE,
    "attempt_at_ceiling": WARNED,
    "cancel_requested": STOPPED,
    "cancel_signed": SIGNED,
    "signing_refused": ALERTED,
    "approval_given": ACCEPTED,
    "void_asked": STOPPED,
    "void_answered": SENT,
    "providers_disagreed": ALERTED,
    "providers_lagged": WARNED,
    "provider_seen": COUNTED,
    # sweeps
    "sweep_done": REPEATED,
    "alert_raised": ALERTED,
    "alerts_go_nowhere": ALERTED,
    "books_compared": COUNTED,
    "books_not_compared": WARNED,
    "alert_delivered": SENT,
    "alert_not_delivered": WARNED,
    "scheduler_not_looked_at": WARNED,
}

_OF_THE_ROOMS = {
    # shared/http
    "request_answered": ENTERED,
    "message_refused": FAILED,
    "message_not_stored": ALERTED,
    "call_refused": FAILED,
    "caller_left": WARNED,
    "call_postponed": LATER,
    "outcome_unknown": WARNED,
    "invariant_broken": ALERTED,
    "call_failed": ALERTED,
    "signing_keys_renewed": SIGNED,
    "signing_keys_unreadable": WARNED,
    "certificates_fetched": SIGNED,
    "certificates_not_fetched": NETWORK,
    "component_failed": FAILED,
    "component_recovered": ACCEPTED,
    # shared/queue
    "task_made": SENT,
    "task_already_made": REPEATED,
    "task_not_made": WARNED,
    "task_unmakeable": ALERTED,
    "outbox_swept": REPEATED,
    # shared/db
    "database_unreachable": FAILED,
}

EVENTS: dict[str, str] = {**_OF_THE_MACHINES, **_OF_THE_SERVICES, **_OF_THE_ROOMS}

_OF_A_LEVEL = {"warning": WARNED, "error": FAILED, "critical": ALERTED}
_NO_MARK = "  "


def marker_of(event: str, level: str = "info") -> str:
    """The mark of an event; a line from a foreign library has none of its own and takes its level's."""
    return EVENTS.get(event) or _OF_A_LEVEL.get(level, _NO_MARK)
