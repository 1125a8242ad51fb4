"""The batcher: forms a batch over the threshold, opens its order, and shares out the USDT that arrived.

Does: reads the pending total at each tick, claims payments, batch and members in one commit, opens one order at the
exchange and adopts it, distributes an arrival, gives payments back when their order can never be funded,
brings the fleet's alerts to the webhook.
Never does: touches the wallet; credits a number that came in a message.
Messages in: SwapExecuted, SwapFailed (from the conductor), DeliverAlert. Messages out: PayBatch, GiveUpOrder (to the
conductor), DeliverAlert (to itself).
Tables written: batch_conversions, payout_accumulation, batch_member, exchange_order, threshold_check, pause, heartbeat,
history, posting, book_entry, outbox, alert, refused_message. Read: arrival, hostpay_request, transfer, approval.
"""
