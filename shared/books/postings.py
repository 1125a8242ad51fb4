"""What each fact does to the books: one pure function per fact, in the order in which money moves.

| Fact (event)       | Posted by | Entries (+ debit, - credit)                                               |
|--------------------|-----------|---------------------------------------------------------------------------|
| opening_balance    | operator  | ETH and USDT: wallet + / treasury -                                       |
| treasury_added     | operator  | either asset: wallet + / treasury -                                       |
| payment_received   | intake    | ETH: gateway_receivable + / clients_pending - / platform_fee -            |
| gateway_settled    | operator  | ETH: wallet + / gateway_receivable -                                      |
| batch_ordered      | batcher   | ETH: clients_pending, dust, treasury: see below                           |
| batch_released     | batcher   | batch_ordered, reversed                                                   |
| transfer_settled   | executor  | ETH: in_transit + / gas + / wallet -                                      |
| transfer_gas_spent | executor  | ETH: gas + / wallet -                                                     |
| usdt_arrived       | conductor | USDT: wallet + / in_transit -                                             |
| usdt_distributed   | batcher   | ETH: clients_pending + / in_transit -; USDT: in_transit + / clients_owed - |
| instant_finished   | conductor | ETH: treasury + / in_transit -                                            |
| refund_returned    | conductor | ETH: wallet + / exchange_cost + / in_transit -                            |
| clients_paid       | operator  | USDT: clients_owed + / wallet -                                           |
| discrepancy_booked | operator  | either asset: wallet and discrepancy, either way                          |

The wallet account follows the chain: ETH = opening + handed over by the gateway + refunds - sent - gas. What the
gateway owes reaches the wallet outside of this system: until a person books `gateway_settled`, a payment's ETH stands
on gateway_receivable while the wallet's own ETH is sent, and ETH that really came in shows as unexplained.

After `batch_ordered`, clients_pending holds for this batch exactly the ordered wei, whatever the funding: what the
members brought leaves it, the order enters it, the difference is dust carried in or out, and (funding quoted) what the
platform's treasury advances against the crypto it received.
"""

from __future__ import annotations

from shared.books.accounts import Account, Amount, Posting
from shared.money import Ether, Tether


def opening_balance(wallet_address: str, ether: Ether, tether: Tether) -> Posting:
    """What the wallet held when the books were opened; the platform's own."""
    return Posting.of(
        "opening_balance",
        wallet_address,
        (Account.WALLET, ether),
        (Account.TREASURY, -ether),
        (Account.WALLET, tether),
        (Account.TREASURY, -tether),
    )


def treasury_added(reference: str, added: Amount) -> Posting:
    """The platform put its own money into the wallet; `reference` is its transaction hash."""
    return Posting.of("treasury_added", reference, (Account.WALLET, added), (Account.TREASURY, -added))


def payment_received(payment_ref: str, gross: Ether, fee: Ether, net: Ether) -> Posting:
    """The gateway took `gross` for us: the client's part is owed, the fee is ours. gross = fee + net to the wei."""
    return Posting.of(
        "payment_received",
        payment_ref,
        (Account.GATEWAY_RECEIVABLE, gross),
        (Account.CLIENTS_PENDING, -net),
        (Account.PLATFORM_FEE, -fee),
    )


def gateway_settled(reference: str, received: Ether) -> Posting:
    """The gateway's transfer was seen in the wallet; `reference` is its transaction hash."""
    return Posting.of("gateway_settled", reference, (Account.WALLET, received), (Account.GATEWAY_RECEIVABLE, -received))


def batch_ordered(
    batch_conversion_id: str, *, received: Ether, members: Ether, dust_in: Ether, dust_out: Ether
) -> Posting:
    """The payments of a batch were claimed for an order of members + dust_in - dust_out.

    `received`: sum of what intake booked for the members (their net_wei; zero where the gateway did not say).
    `members`: sum of the wei they bring into the batch. Funding received: the same. Funding quoted: the platform
    advances `members` and keeps `received`.
    """
    ordered = members + dust_in - dust_out
    return Posting.of(
        "batch_ordered",
        batch_conversion_id,
        (Account.CLIENTS_PENDING, received - ordered),
        (Account.DUST, dust_in - dust_out),
        (Account.TREASURY, members - received),
    )


def batch_released(
    batch_conversion_id: str, *, received: Ether, members: Ether, dust_in: Ether, dust_out: Ether
) -> Posting:
    """The batch gave its payments back with their original wei: `batch_ordered` is reversed.

    Dust that a later batch already carried on is then made good by the dust account, which may stand in debit.
    """
    forward = batch_ordered(batch_conversion_id, received=received, members=members, dust_in=dust_in, dust_out=dust_out)
    reversed_lines = ((entry.account, -entry.amount) for entry in forward.entries)
    return Posting.of("batch_released", batch_conversion_id, *reversed_lines)


def transfer_settled(unique_id: str, value: Ether, gas: Ether) -> Posting:
    """A transfer is final on chain with success: `value` is on its way at the exchange, `gas` is spent."""
    return Posting.of(
        "transfer_settled",
        unique_id,
        (Account.IN_TRANSIT, value),
        (Account.GAS, gas),
        (Account.WALLET, -(value + gas)),
    )


def transfer_gas_spent(unique_id: str, gas: Ether) -> Posting:
    """A transfer is final on chain without effect (reverted, or cancelled by its own nonce): only gas was spent."""
    return Posting.of("transfer_gas_spent", unique_id, (Account.GAS, gas), (Account.WALLET, -gas))


def usdt_arrived(batch_conversion_id: str, arrived: Tether) -> Posting:
    """The order's USDT was seen in the wallet; it stands as in transit until it is shared out."""
    return Posting.of("usdt_arrived", batch_conversion_id, (Account.WALLET, arrived), (Account.IN_TRANSIT, -arrived))


def usdt_distributed(batch_conversion_id: str, ordered: Ether, arrived: Tether) -> Posting:
    """The batch is shared out: the clients' ETH became their USDT, and nothing of it is in transit any more."""
    return Posting.of(
        "usdt_distributed",
        batch_conversion_id,
        (Account.IN_TRANSIT, -ordered),
        (Account.CLIENTS_PENDING, ordered),
        (Account.IN_TRANSIT, arrived),
        (Account.CLIENTS_OWED, -arrived),
    )


def instant_finished(unique_id: str, value: Ether) -> Posting:
    """An instant payout is finished: its ETH was the platform's, whose debt to the payee stands with the upstream."""
    return Posting.of("instant_finished", unique_id, (Account.TREASURY, value), (Account.IN_TRANSIT, -value))


def refund_returned(unique_id: str, sent: Ether, returned: Ether) -> Posting:
    """The exchange's refund was seen in the wallet; what it falls short of `sent` is the platform's cost."""
    return Posting.of(
        "refund_returned",
        unique_id,
        (Account.WALLET, returned),
        (Account.EXCHANGE_COST, sent - returned),
        (Account.IN_TRANSIT, -sent),
    )


def clients_paid(reference: str, paid: Tether) -> Posting:
    """USDT left the wallet to a client; `reference` is its transaction hash."""
    return Posting.of("clients_paid", reference, (Account.CLIENTS_OWED, paid), (Account.WALLET, -paid))


def discrepancy_booked(reference: str, found: Amount) -> Posting:
    """A person accepts that the wallet holds `found` more (negative: less) than any known fact explains."""
    return Posting.of("discrepancy_booked", reference, (Account.WALLET, found), (Account.DISCREPANCY, -found))
