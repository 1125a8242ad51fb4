"""One demo from the first webhook to the last USDT unit."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.lifecycle import TryLater
from shared.money import Ether, Usd
from shared.ops.books_report import reconcile
from shared.ops.exits import Exit, Leave
from shared.sandbox.demo.deliver import Delivered, Deliverer, Refusal
from shared.sandbox.demo.options import DemoOptions, Line
from shared.sandbox.demo.readings import Seen, look, usd
from shared.sandbox.demo.result import Result, Wallet, sum_up
from shared.sandbox.demo.screen import Screen
from shared.sandbox.demo.story import GATEWAY, HOST_WALLET, Step, Story
from shared.sandbox.fleet import Fleet, FleetNotStarted, FleetOptions
from shared.sandbox.fleet.places import new_run_folder

if TYPE_CHECKING:
    from shared.sandbox.chaos.storm import Storm

_LOOK_EVERY_S = 0.2
_SILENCE_S = 60.0
_TICKS = 50
_TICKS_FAIL_S = 5.0
_TICKS_FAIL_IN_CHAOS_S = 90.0
_SHOWN_PAYMENTS = 10
_FINAL_BATCH = ("completed", "released", "parked")
_FINAL_REQUEST = ("reported", "parked")
_WIDE_OPEN = "100"


def run_demo(root: Path, options: DemoOptions, *, as_json: bool) -> Exit:
    """Start a fleet, play, show, stop everything. 0 when all ended well; a refused payment is no failure."""
    screen = Screen(as_json=as_json)
    logs = new_run_folder(root)
    try:
        with screen.waiting("starting: PostgreSQL, a chain, an exchange, queues and five services"):
            fleet = Fleet.start(_fleet_options(options, logs))
        with fleet:
            screen.note(f"five services are healthy; started in {screen.seconds:.1f} s")
            result = _Demo(fleet, options, screen).play()
    except FleetNotStarted as error:
        raise Leave(f"The sandbox did not start: {error}\nAll logs: {logs}", Exit.UNAVAILABLE) from error
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(logs, ignore_errors=True)
        raise
    screen.table(result)
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
    if not result.ok:
        screen.note(f"The logs of all processes are in {logs}")
        return Exit.NO
    shutil.rmtree(logs, ignore_errors=True)
    return Exit.OK


def _fleet_options(options: DemoOptions, logs: Path) -> FleetOptions:
    return FleetOptions(
        logs=logs,
        threshold=options.threshold,
        fee_percent=str(options.fee).removesuffix(" %"),
        exchange_pays=options.exchange_pays,
        # Who sets the exchange's price himself means it: the guard against a bad quote is opened as far as it goes.
        quote_band_percent="5" if options.exchange_pays is None else _WIDE_OPEN,
        proxied_database=options.chaos is not None,
    )


class _Demo:
    """The acts of the play, in order."""

    def __init__(self, fleet: Fleet, options: DemoOptions, screen: Screen) -> None:
        self._fleet, self._options, self._screen = fleet, options, screen
        self._story = Story()
        self._below_threshold: str | None = None
        self._troubles: list[str] = []

    def play(self) -> Result:
        before = self._wallet()
        if self._options.chaos is None:
            seen, delivered = self._acts()
            chaos = None
        else:
            with self._storm(self._options.chaos) as storm:
                seen, delivered = self._acts(storm.payments_arrived)
                storm.calm()
            chaos = storm.as_json()
        books = reconcile(self._fleet.database, self._fleet.chain, self._fleet.chain_settings)
        return sum_up(
            seen,
            delivered,
            before,
            self._wallet(),
            books,
            self._fleet.health(),
            self._screen.seconds,
            self._below_threshold,
            self._troubles,
            chaos,
        )

    def _acts(self, payments_arrived: Callable[[], None] = lambda: None) -> tuple[Seen, Delivered]:
        with closing(Deliverer(self._fleet, self._options.deliver)) as deliverer:
            self._deliver_all(deliverer)
        payments_arrived()
        if self._options.instant:
            self._instant()
        self._swap()
        return self._follow(), deliverer.delivered

    @contextmanager
    def _storm(self, seed: int) -> Iterator[Storm]:
        from shared.sandbox.chaos.storm import Storm

        storm = Storm(
            self._fleet,
            seed,
            lambda: self._screen.seconds,
            lambda broken: self._screen.step(Step("chaos", broken.what)),
        )
        try:
            storm.start()
            yield storm
        finally:
            storm.stop()

    # --- act one: payments arrive ---------------------------------------------------------------------------------

    def _deliver_all(self, deliverer: Deliverer) -> None:
        times = "once" if self._options.deliver == 1 else f"{self._options.deliver} times at once"
        self._screen.title(f"{len(self._options.lines)} payments arrive, each delivered {times}")
        for number, line in enumerate(self._options.lines):
            answer = deliverer.deliver(line)
            if number < _SHOWN_PAYMENTS or isinstance(answer, Refusal):
                self._tell_payment(line, answer)
        if len(self._options.lines) > _SHOWN_PAYMENTS:
            self._screen.note(f"... and {len(self._options.lines) - _SHOWN_PAYMENTS} more")

    def _tell_payment(self, line: Line, answer: Refusal | int) -> None:
        if isinstance(answer, Refusal):
            self._screen.step(Step("intake", f"{line.name} refused ({answer.http_status}): {answer.message}"))
            return
        row = next(row for row in look(self._fleet.database).payments if row["id"] == answer)
        if row["conversion_status"] == "parked":
            self._screen.step(Step("intake", f"{row['payment_ref']} parked: {row['parked_reason']}", GATEWAY))
            return
        arrived = "" if row["gross_wei"] is None else f" ({Ether(row['gross_wei'])})"
        what = (
            f"payment {row['payment_ref']}: {usd(row['payment_amount_usd_micros'])}{arrived}, "
            f"fee {usd(row['fee_usd_micros'])}, pending {usd(row['pending_usd_amount_micros'])}, counted once"
        )
        self._screen.step(Step("intake", what, GATEWAY))

    def _instant(self) -> None:
        self._screen.title("An upstream asks for an instant payout")
        from shared.sandbox.demo.instant import ask_for_instant_payout

        message = ask_for_instant_payout(self._fleet)
        what = f"payout {message.unique_id}: pay {Ether(message.amount_wei)} for order {message.cn_api_id}"
        self._screen.step(Step("upstream", what, HOST_WALLET))

    # --- act two: the scheduler ticks until nothing more can be batched ---------------------------------------------

    def _swap(self) -> None:
        self._screen.title(f"The scheduler ticks; the threshold is {self._options.threshold}")
        for _ in range(_TICKS):
            body = self._tick()
            if body is None or not body.get("batch_created"):
                return
            self._follow()

    def _tick(self) -> Mapping[str, object] | None:
        """What the tick answered; a tick that could not read something is repeated, as the scheduler would."""
        patience_s = _TICKS_FAIL_S if self._options.chaos is None else _TICKS_FAIL_IN_CHAOS_S
        give_up_at = time.monotonic() + patience_s
        while True:
            tick = self._fleet.tick()
            out_of_time = time.monotonic() > give_up_at
            if tick.status == 200 and isinstance(tick.body, dict) and (out_of_time or not self._passes(tick.body)):
                if not tick.body.get("batch_created"):
                    self._no_batch(tick.body)
                return tick.body
            if out_of_time:
                self._troubles.append(f"/check-threshold answered {tick.status}: {tick.reason or tick.body}")
                return None
            time.sleep(1)

    def _passes(self, body: Mapping[str, object]) -> bool:
        """No batch for a reason that is gone when the chaos is."""
        outcome = body.get("outcome")
        return self._options.chaos is not None and outcome not in ("batch_created", "below_threshold")

    def _no_batch(self, body: Mapping[str, object]) -> None:
        outcome, sentence = str(body.get("outcome")), str(body.get("message"))
        if Usd.parse(str(body.get("total_pending"))).is_zero():
            self._screen.step(Step("batcher", "nothing more is pending"))
        else:
            what = f"no batch ({outcome}): {body.get('total_pending')} USD pending; {sentence}"
            self._screen.step(Step("batcher", what, GATEWAY))
        if outcome == "below_threshold":
            self._below_threshold = sentence
        else:
            self._troubles.append(f"no batch ({outcome}): {sentence}")

    # --- act three: what is under way comes to its end ----------------------------------------------------------------

    def _follow(self) -> Seen:
        """Tell every step until batches and instant payouts are final; gives the last snapshot."""
        heard_at = time.monotonic()
        while True:
            seen = look(self._fleet.database)
            for step in self._story.continue_with(seen):
                heard_at = time.monotonic()
                self._screen.step(step)
            waiting = self._waiting_for(seen)
            if not waiting:
                return seen
            if time.monotonic() - heard_at > _SILENCE_S:
                self._troubles.append(f"nothing happened for {_SILENCE_S:.0f} s; waiting for {', '.join(waiting)}")
                return seen
            time.sleep(_LOOK_EVERY_S)

    def _waiting_for(self, seen: Seen) -> list[str]:
        batches = [
            f"batch {row['batch_conversion_id']} ({row['conversion_status']})"
            for row in seen.batches
            if row["conversion_status"] not in _FINAL_BATCH
        ]
        requests = [row for row in seen.requests if row["context"] == "instant"]
        payouts = [
            f"instant payout {row['unique_id']} ({row['request_status']})"
            for row in requests
            if row["request_status"] not in _FINAL_REQUEST
        ]
        if self._options.instant and not requests:
            payouts.append("the instant payout to be received")
        return batches + payouts

    def _wallet(self) -> Wallet:
        """What the wallet holds at the newest block that both endpoints call final."""
        chain, settings = self._fleet.chain, self._fleet.chain_settings
        for _ in range(20):
            try:
                block = chain.agreed_finalized()
                ether = Ether(chain.balance_wei(settings.host_wallet_eth_address, block))
                tether = chain.usdt_balance(settings.host_wallet_usdt_address, block, settings.usdt_contract_address)
            except TryLater:
                time.sleep(0.5)
            else:
                return Wallet(ether, tether)
        raise Leave("The chain's endpoints do not agree on a final block.", Exit.UNAVAILABLE)
