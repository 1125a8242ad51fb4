"""Runs the exchange: `python -m shared.sandbox.exchange --rpc URL --usdt ADDRESS --api-key KEY [...]`."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
from pathlib import Path

from shared.sandbox.chain.accounts import DEPLOYER, EXCHANGE_WALLET
from shared.sandbox.chain.rpc import Rpc, RpcUnreachable
from shared.sandbox.chain.wallet import Wallet
from shared.sandbox.fault_board import FaultBoard
from shared.sandbox.faulty_http import Asked, FaultyServer, Told
from shared.sandbox.journal import Journal
from shared.sandbox.lifetime import announce_ready, die_with_parent, stop_on_signals

from . import control, faults
from .actions import ActionRoutes
from .api import Api
from .feed import FeedWriter
from .market import Market, Override
from .numbers import AmountRefused, parse_amount
from .ordering import OrderRoutes
from .orders import OrderBook
from .partners import CALLS_PER_SECOND, Partners
from .progress import Pace, Progress
from .quotes import QuoteRoutes


def main() -> None:
    """Serve until SIGTERM."""
    options = _options()
    die_with_parent()
    stop = stop_on_signals()
    journal = Journal(options.log)
    rpc = Rpc(options.rpc)
    board = FaultBoard(faults.KNOWN, faults.ROUTES, options.seed)
    book = OrderBook(options.seed)
    market = Market(
        price_micros=options.price,
        margin_ppm=options.margin_percent,
        minimum_wei=options.min_eth,
        deposit_fee_wei=options.deposit_fee_eth,
        withdrawal_fee_units=options.withdrawal_fee_usdt,
        override=_override(options),
        seed=options.seed,
    )
    partners = Partners(options.api_key, options.calls_per_second)
    pace = Pace(options.time_scale, options.confirmations, options.refund_fee_eth)
    try:
        progress = Progress(book, market, rpc, Wallet(rpc, options.private_key), options.usdt, pace, journal)
        feed = _feed(options, rpc, market, journal)
    except RpcUnreachable as failure:
        raise SystemExit(f"the exchange needs its chain: {failure}") from failure
    api = Api(
        QuoteRoutes(book, market, options.usdt, options.time_scale),
        OrderRoutes(
            book, market, options.time_scale, board.strikes, lambda: "special_fields" in partners.permissions, journal
        ),
        ActionRoutes(book, market, progress),
        partners,
        board,
        journal,
    )
    desk = control.Control(book, market, board, partners, feed)

    def answer(asked: Asked) -> Told | None:
        return desk.answer(asked) if asked.path.startswith(control.PREFIX + "/") else api.answer(asked)

    server = FaultyServer(options.port, answer)
    workers: list[Progress | FeedWriter] = [progress, *([feed] if feed else [])]
    for worker in workers:
        worker.start()
    server.start()
    announce_ready(port=server.port, url=f"{server.url}/v2", control=f"{server.url}/_sim")
    stop.wait()
    server.stop()
    for worker in workers:
        worker.stop()
    journal.close()


def _feed(options: argparse.Namespace, rpc: Rpc, market: Market, journal: Journal) -> FeedWriter | None:
    if options.feed is None:
        return None
    return FeedWriter(Wallet(rpc, options.feed_key), options.feed, market, options.feed_every, journal)


def _override(options: argparse.Namespace) -> Override | None:
    if options.first_payout_usdt is None:
        return None
    return Override(options.first_payout_usdt, options.first_payout_to)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shared.sandbox.exchange",
        description="An exchange that speaks ChangeNOW v2, watches the sandbox's chain and really pays on it.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free one; the ready line on standard output tells which")
    add("--rpc", required=True, help="JSON-RPC URL of the chain")
    add("--usdt", required=True, help="address of the token that is paid out")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--private-key", default=EXCHANGE_WALLET.private_key, help="of the hot wallet (a public test key)"
    )
    keys.add_argument("--key-file", type=Path, help="file with the key of the hot wallet")
    add("--api-key", action="append", help="a partner's key; repeatable; default: the variable EXCHANGE_API_KEY")
    add("--time-scale", type=_scale, default=1, help="divides every wait (default 1: real speed)")
    add("--confirmations", type=int, default=2, help="blocks a deposit must be deep")
    add("--price", type=_decimal(6), default="2500", help="USD for one ETH")
    add("--margin-percent", type=_decimal(4), default="3", help="what the exchange keeps")
    add("--first-payout-usdt", type=_decimal(6), help="quote and payout of the first order paid, whatever its amount")
    add("--first-payout-to", help="the former counts only for an order that pays to this address")
    add("--min-eth", type=_decimal(18), default="0.0006", help="smallest order")
    add("--deposit-fee-eth", type=_decimal(18), default="0", help="network fee inside every estimate")
    add("--withdrawal-fee-usdt", type=_decimal(6), default="0", help="network fee inside every estimate")
    add("--refund-fee-eth", type=_decimal(18), default="0.00011", help="kept back from a refund")
    add("--feed", help="address of the price feed to keep fresh")
    add("--feed-key", default=DEPLOYER.private_key, help="key of the feed's owner (a public test key)")
    add("--feed-every", type=float, default=60, help="real seconds between two writes of the feed")
    add("--calls-per-second", type=_scale, default=CALLS_PER_SECOND, help="more are refused with 429")
    add("--seed", type=int, default=secrets.randbits(60), help="of ids, deposit addresses and chances")
    add("--log", type=Path, help="JSON lines of what happened")
    options = parser.parse_args()
    if options.key_file is not None:
        with contextlib.suppress(OSError):
            options.private_key = options.key_file.read_text(encoding="utf-8").strip()
            return _with_api_key(parser, options)
        parser.error(f"cannot read the key file {options.key_file}")
    return _with_api_key(parser, options)


def _with_api_key(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    if not options.api_key:
        options.api_key = [key for key in [os.environ.get("EXCHANGE_API_KEY", "")] if key]
    if not options.api_key:
        parser.error("name at least one --api-key, or set EXCHANGE_API_KEY")
    return options


def _scale(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)


def _decimal(decimals: int) -> _Decimal:
    return _Decimal(decimals)


class _Decimal:
    """An option that is a plain decimal, kept as an integer of its smallest unit."""

    def __init__(self, decimals: int) -> None:
        self._decimals = decimals

    def __call__(self, text: str) -> int:
        try:
            return parse_amount(text, self._decimals)
        except AmountRefused:
            raise argparse.ArgumentTypeError(f"{text!r} is not a plain decimal") from None


if __name__ == "__main__":
    main()
