"""The intake: takes the platform's fee and records one payment as pending USD.

Does: reads a webhook body, names what is wrong with it, records it exactly once however often it is delivered.
Never does: calls the exchange, the chain or another service.
Messages in: a webhook body on `POST /` (no token). Messages out: none.
Tables written: payout_accumulation, history, posting, book_entry, alert, refused_message. Read: pause, heartbeat.
"""
