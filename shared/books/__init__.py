"""Double-entry books in integers: where every wei and every USDT unit stands, posted with the fact that moved it.

Shapes:   `Account`, `Amount`, `Entry`, `Posting` (`Posting.of(event, subject, (account, amount), ...)`),
          `UnbalancedPosting`.
Facts:    `opening_balance`, `treasury_added`, `payment_received`, `gateway_settled`, `batch_ordered`, `batch_released`,
          `transfer_settled`, `transfer_gas_spent`, `usdt_arrived`, `usdt_distributed`, `instant_finished`,
          `refund_returned`, `clients_paid`, `discrepancy_booked`: pure, each returns a `Posting`;
          `postings` has the table.
Ledger:   `post(conn, posting, now, trace)`, `totals(conn)` -> `Balances`, `check(conn, eth, usdt)` -> `Report`,
          `PostingContradicted`.
"""

from shared.books.accounts import Account, Amount, Entry, Posting, UnbalancedPosting
from shared.books.ledger import Balances, PostingContradicted, Report, check, post, totals
from shared.books.postings import (
    batch_ordered,
    batch_released,
    clients_paid,
    discrepancy_booked,
    gateway_settled,
    instant_finished,
    opening_balance,
    payment_received,
    refund_returned,
    transfer_gas_spent,
    transfer_settled,
    treasury_added,
    usdt_arrived,
    usdt_distributed,
)

__all__ = [
    "Account",
    "Amount",
    "Balances",
    "Entry",
    "Posting",
    "PostingContradicted",
    "Report",
    "UnbalancedPosting",
    "batch_ordered",
    "batch_released",
    "check",
    "clients_paid",
    "discrepancy_booked",
    "gateway_settled",
    "instant_finished",
    "opening_balance",
    "payment_received",
    "post",
    "refund_returned",
    "totals",
    "transfer_gas_spent",
    "transfer_settled",
    "treasury_added",
    "usdt_arrived",
    "usdt_distributed",
]
