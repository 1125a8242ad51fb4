"""The executor: the only holder of the wallet's key; it pays each order exactly once and proves it.

Does: approves a transfer against our own rows and the limits, reserves its nonce, signs, stores, sends, and watches
until a finalized block that the providers agree on shows what became of it. `send.py` is where ETH leaves.
Never does: takes an amount or an address on trust; gives a transfer a second nonce; calls anything a failure because
it cannot be seen.
Messages in: PayOrder and VoidTransfer on `POST /`, DriveAccount on `POST /drive`; the scheduler's `POST /sweep`.
Messages out: DriveAccount (to itself), TransferFinal and TransferVoided (to the conductor).
Tables written: transfer, account, slot, attempt, send_log, signed_nonce, cancel_request, approval, asked_approval;
history, outbox, alert, posting, book_entry, refused_message, pause, heartbeat. Read: exchange_order,
hostpay_request, payout_accumulation, batch_conversions, batch_member.
Kept outside the database: a copy of all signed bytes, before they are sent (`copies.py`, `gate.py`).
"""
