"""The conductor: validates a request to pay one order, and drives it: check, pay, watch, find the arrival, report back.

Does: accepts a batch's or an upstream's request once, has the order read, has it paid, asks the exchange until the
order ends, finds the USDT (or the refund) on chain and writes the arrival, compares the books with the wallet on chain
once an hour.
Never does: holds a key, sends a transaction; believes the exchange about money.
Messages in: PayBatch, GiveUpOrder, InstantPayout, OrderChecked, TransferFinal, TransferVoided, CheckArrival. Messages
out: CheckOrder, PayOrder, VoidTransfer, CheckArrival, SwapExecuted, SwapFailed.
Tables written: hostpay_request, arrival, exchange_order, history, posting, book_entry, outbox, alert,
refused_message, heartbeat. Read: batch_conversions, transfer, slot, approval.
"""
