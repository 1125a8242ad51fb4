"""One history: the real services on real SQL, and around them a chain, an exchange, a queue and people, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Final

from shared.books import opening_balance, post
from shared.exchange import ETH_TO_USDT, OrderRequest
from shared.lifecycle import Broken, Reaction
from shared.messages import UPSTREAM_TO_CONDUCTOR
from shared.money import Ether, Tether, Usd
from shared.sandbox.chain.accounts import EXCHANGE_WALLET, FAUCET
from shared.sandbox.simulator import people
from shared.sandbox.simulator.blocks import BLOCK_S
from shared.sandbox.simulator.dialects import CLIENTS
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.door import Call, Heard, enter
from shared.sandbox.simulator.exchange import ModelExchange
from shared.sandbox.simulator.fleet import (
    FEED,
    SCHEDULER,
    SERVICES,
    SWEPT,
    UPSTREAM,
    USDT,
    WALLET,
    Doors,
    Fleet,
    Ports,
    Replace,
    base_url,
    the_signer,
)
from shared.sandbox.simulator.interruptions import Interruptions, SimCrash
from shared.sandbox.simulator.invariants import Invariants, Violation
from shared.sandbox.simulator.node import ModelNode
from shared.sandbox.simulator.pace import pace_after
from shared.sandbox.simulator.profile import Faults, Profile
from shared.sandbox.simulator.progress import Progress
from shared.sandbox.simulator.provider import Contracts, ModelProvider
from shared.sandbox.simulator.queue import ModelQueue, ModelTask
from shared.sandbox.simulator.session import Session, SimDatabase
from shared.sandbox.simulator.signing import ModelSigner
from shared.sandbox.simulator.story import Story

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
WALLET_ETH: Final = Ether.parse("10")
WALLET_ETH_OF_THE_POOR: Final = Ether.parse("0.03")
HOT_WALLET: Final = EXCHANGE_WALLET.address.lower()
_TEN_MINUTES: Final = timedelta(minutes=10)
_MOST_STEPS_AT_ONCE: Final = 300
_FAULT_OF_OURS: Final = 500
_RICH: Final = 10**24


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a history is not what it must be."""

    invariant: str
    detail: str


class World:
    """Everything of one history. Made by `build`; a script or `history.random_history` tells it what people do."""

    def __init__(
        self,
        session: Session,
        seed: int,
        profile: Profile,
        replaced: Replace,
        crash_at: Collection[int],
        *,
        listening: bool,
    ) -> None:
        self.seed = seed
        self.now = START
        self.session = session
        self.faults = Faults(profile)
        self.story = Story(START, listening=listening)
        self.expected_payments: set[str] = set()
        self.accepted: dict[str, Usd] = {}  # payments that were answered 200, by reference
        self.enter: Callable[[Doors, Call, datetime], Heard] = enter
        self.steps = 0
        self._steps_now = 0
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._serial = count()
        self._ids = Dice(seed, "ids")
        self._bodies = count(1)
        self._moved_at = START
        self.interruptions = Interruptions(
            self.faults, Dice(seed, "interruptions"), crash_at, self._let_others_go_on, self.tell
        )
        shape = Dice(seed, "shape")
        self.is_poor = shape.happens(profile.funds_short)
        ether = WALLET_ETH_OF_THE_POOR if self.is_poor else WALLET_ETH
        self.node = ModelNode(
            self.faults,
            Dice(seed, "node"),
            START,
            finality=shape.between(3, 5),
            balances={WALLET: ether.wei, HOT_WALLET: _RICH, FAUCET.address: _RICH},
            tokens={HOT_WALLET: _RICH},
            told=self.tell,
        )
        self.exchange = ModelExchange(self.faults, Dice(seed, "exchange"), self, self.tell, label=f"seed {seed}")
        self.exchange.refusing_address = self.node.refuse
        self.progress = Progress(
            self.exchange, self.node, HOT_WALLET, WALLET.lower(), USDT.lower(), lambda: self.now, self.at, self.tell
        )
        self.queue = ModelQueue(self.faults, Dice(seed, "queue"), self, self.at, self._deliver, self.tell)
        self.contracts = Contracts(USDT, FEED)
        self.invariants = Invariants(session, self.node, WALLET, USDT)
        count_of_providers = shape.between(1, 3)
        self.providers = self._providers(count_of_providers, shape)
        needed = count_of_providers if shape.happens(500) else count_of_providers // 2 + 1
        ports = Ports(
            database=self._database,
            sender=self.queue,
            exchange=self.exchange,
            providers=self.providers,
            quorum=needed,
            signer=ModelSigner(the_signer(), self),
            new_id=self._ids.uuid,
            batch_funding="quoted" if shape.happens(200) else "received",
        )
        self.fleet = Fleet(self, ports, replaced)
        self._open_books(ether)

    @classmethod
    def build(
        cls,
        session: Session,
        seed: int,
        profile: Profile | None = None,
        *,
        replace: Replace | None = None,
        crash_at: Collection[int] = (),
        listening: bool = False,
    ) -> World:
        """A world at its start. `session` must be in a history; `profile` None: the one that the seed draws.

        `replace` puts other parts into the fleet (see `fleet`); `crash_at` numbers points at which a handler is
        certainly killed; `listening` keeps the story. The attributes of `module:attribute` replacements are the
        caller's to set (`fleet.attributes_replaced`): they are not this world's alone.
        """
        drawn = Profile.of_seed(seed) if profile is None else profile
        return cls(session, seed, drawn, replace or {}, crash_at, listening=listening)

    # --- time ---------------------------------------------------------------------------------------------------------

    def at(self, when: datetime, what: Callable[[], None]) -> None:
        """Puts something on the agenda."""
        heappush(self._agenda, (when, next(self._serial), what))

    def after(self, seconds: int, what: Callable[[], None]) -> None:
        """Puts something on the agenda, so many seconds after the start of the history."""
        self.at(START + timedelta(seconds=seconds), what)

    def step(self) -> None:
        """The next thing on the agenda, then the invariants. Raises Violation."""
        when, _, what = heappop(self._agenda)
        if when > self.now:
            self.now, self._steps_now = when, 0
        self.steps += 1
        self._steps_now += 1
        if self._steps_now > _MOST_STEPS_AT_ONCE:
            raise Violation("time_goes_on", f"{_MOST_STEPS_AT_ONCE} things happen one after the other in one moment")
        what()
        self._check()

    def run_until(self, when: datetime) -> None:
        """Everything on the agenda up to then."""
        while self._agenda and self._agenda[0][0] <= when:
            self.step()
        self.now = max(self.now, when)

    def run_for(self, seconds: int) -> None:
        self.run_until(self.now + timedelta(seconds=seconds))

    def start_clockwork(self) -> None:
        """Blocks, sweeps and the exchange's own time begin."""
        self._slot()
        self.at(self.now + timedelta(seconds=self.pace_s), self._sweep_and_again)

    @property
    def idle(self) -> timedelta:
        """How long no money has moved."""
        return self.now - self._moved_at

    @property
    def pace_s(self) -> int:
        """How often the scheduler looks, in seconds."""
        return pace_after(self.idle)

    # --- what people do -----------------------------------------------------------------------------------------------

    def pays(self, number: int, usd: Usd, ether: Ether | None, currency: str = "eth") -> None:
        """A client pays, and the upstream tells the intake until it is answered 200.

        `ether` is what came, in whatever `currency`; None when nobody says how much.
        """
        raw = people.webhook_body(number, usd, ether, currency, START)
        arrived = f"nobody says how much {currency}" if ether is None else f"{ether.decimal_text()} {currency}"
        self.tell(f"client {number} pays {usd}: {arrived} arrived")
        self.expected_payments.add(f"np-{number}")
        self._tell_intake(f"np-{number}", usd, raw, 0)

    def asks_instant(self, number: int, amount: Ether) -> None:
        """The upstream opens an order of its own and asks for it to be paid."""
        order = self.exchange.open(OrderRequest(ETH_TO_USDT, amount, FAUCET.address, FAUCET.address))
        body = people.instant_request(number, order, amount, self._ids.uuid().bytes, self.now)
        self.tell(f"the upstream asks for order {order.cn_api_id} over {amount} to be paid")
        url = base_url("conductor") + UPSTREAM_TO_CONDUCTOR.route
        self.queue.put_direct(f"upstream-{number}", UPSTREAM_TO_CONDUCTOR.queue, url, body, self._trace())

    def tick(self) -> Heard | None:
        """Cloud Scheduler asks whether it is time for a batch."""
        return self.call("batcher", Call("/check-threshold", b"", SCHEDULER, self._trace()))

    def ticks(self) -> None:
        """As `tick`, for the agenda: Cloud Scheduler does not wait for what the answer says."""
        self.tick()

    def sweep(self) -> None:
        """Cloud Scheduler asks every service to look for what was lost."""
        for role in SWEPT:
            self.call(role, Call("/sweep", b"", SCHEDULER, self._trace()))

    def pause(self, stage: str, reason: str) -> None:
        """A person stops a stage."""
        self.tell(f"a person pauses {stage}")
        people.pause_stage(self.session, stage, reason, self.now)

    def resume(self, stage: str) -> None:
        """A person lets a stage go on."""
        self.tell(f"a person resumes {stage}")
        people.resume_stage(self.session, stage)

    def resume_after_result(self) -> None:
        """A person has looked at a result outside its band, and lets batching go on."""
        if people.resume_stage(self.session, "batching", SERVICES["batcher"][0]):
            self.tell("a person has looked at the result and resumes batching")

    def top_up(self, amount: Ether) -> None:
        """The platform puts its own ETH into the wallet, and into the books."""
        self.tell(f"a person tops the wallet up by {amount}")
        self.node.wake(self.now)
        self.node.top_up(WALLET, amount.wei)
        self.node.keep_busy(self.now)
        with self.session.looking():
            posting = opening_balance(f"top-up {next(self._bodies)}", amount, Tether(0))
            post(self.session.connection, posting, self.now, "0" * 32)

    def steals_nonce(self) -> None:
        """Somebody else sends a transaction with the wallet's key."""
        one = people.foreign_transaction(self.node, WALLET.lower())
        self.tell(f"somebody else uses the wallet's key: {one.tx_hash} takes nonce {one.nonce}")
        self.node.pooled(one)
        self.node.keep_busy(self.now)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, role: str, call: Call) -> Heard | None:
        """One call of a service; None when it was killed on the way. Raises Violation for what may never be."""
        told = len(self.session.connection.told or ())
        self.interruptions.running.append(role)
        try:
            heard = self.enter(self.fleet.doors[role], call, self.now)
        except SimCrash:
            self.fleet.start(role)
            heard = None
        finally:
            self.interruptions.running.pop()
            self._tell_moves(told)
        if heard is not None:
            self._judge(role, call, heard)
        return heard

    def tell(self, text: str) -> None:
        """A line of the story."""
        if self.story.listening:
            self.story.tell(self.now, text)

    # --- around outside calls (exchange.Around) -----------------------------------------------------------------------

    def calls(self, where: str) -> None:
        self.session.must_be_outside(where)
        self._interrupt(f"before it asks {where}")

    def called(self, where: str) -> None:
        self._interrupt(f"after it asked {where}")

    # --- inside -------------------------------------------------------------------------------------------------------

    def _providers(self, how_many: int, shape: Dice) -> list[ModelProvider]:
        names = [f"provider {number}" for number in range(1, how_many + 1)]
        providers = [
            ModelProvider(
                name,
                shape.pick(CLIENTS),
                self.node,
                self.contracts,
                self.faults,
                Dice(self.seed, name),
                self._around_send,
                self.tell,
            )
            for name in names
        ]
        for provider in providers:
            provider.before_read = self._before_read
        return providers

    def _around_send(self, where: str, raw: bytes) -> None:
        self.session.must_be_outside("a provider")
        self.invariants.judge_send(raw)
        self._interrupt(where)

    def _interrupt(self, where: str) -> None:
        self.interruptions.point(where)
        self.interruptions.pause(where)

    def _before_read(self, what: str) -> None:
        self.session.must_be_outside(f"a provider for a {what}")
        self.node.wake(self.now)

    def _database(self, role: str, database_role: str) -> SimDatabase:
        return SimDatabase(self.session, role, database_role, self.interruptions, Dice(self.seed, f"database {role}"))

    def _deliver(self, task: ModelTask) -> int | None:
        host, _, path = task.url.removeprefix("https://").partition("/")
        role = host.partition(".")[0]
        heard = self.call(role, Call(f"/{path}", task.body, "", task.trace, task.name))
        return None if heard is None else heard.status

    def _tell_intake(self, ref: str, usd: Usd, raw: bytes, tries: int) -> None:
        heard = self.call("intake", Call("/", raw, UPSTREAM, self._trace()))
        if heard is not None and heard.status == 200:
            self.accepted[ref] = usd
            return
        wait_s = min(10 * 2**tries, 600)
        self.at(self.now + timedelta(seconds=wait_s), lambda: self._tell_intake(ref, usd, raw, tries + 1))

    def _slot(self) -> None:
        if self.node.busy or self.now - self.node.head.at >= _TEN_MINUTES:
            self.node.next_block(self.now)
        self.progress.look()
        self.at(self.now + timedelta(seconds=BLOCK_S), self._slot)

    def _sweep_and_again(self) -> None:
        self.sweep()
        if self.interruptions.dice.happens(self.faults.now.purges):
            self.queue.purge()
        self.at(self.now + timedelta(seconds=self.pace_s), self._sweep_and_again)

    def _let_others_go_on(self) -> None:
        """Some seconds, or some minutes, in which the handler that runs now stands still."""
        dice = self.interruptions.dice
        until = self.now + timedelta(seconds=dice.pick((0, 2, 20, 90, 240)))
        for _ in range(dice.between(1, 12)):
            if not self._agenda or self._agenda[0][0] > until:
                break
            self.step()

    def _check(self) -> None:
        connection = self.session.connection
        if self.session.inside is None and connection.moved:
            connection.moved = False
            self._moved_at = self.now
            self.invariants.check()

    def _judge(self, role: str, call: Call, heard: Heard) -> None:
        error = heard.error
        broken = isinstance(error, Broken) or (error is not None and not isinstance(error, Reaction))
        if broken or heard.status == _FAULT_OF_OURS:
            raise Violation("no_handler_breaks", f"{role} {call.path}: {type(error).__name__}: {error}") from error
        if error is not None:
            self.tell(f"{role} {call.path} answers {heard.status}: {error}")

    def _tell_moves(self, since: int) -> None:
        told = self.session.connection.told
        if told is not None and self.session.inside is None:
            self.story.tell_moves(self.now, told[since:])
            del told[since:]

    def _open_books(self, ether: Ether) -> None:
        self.session.connection.told = [] if self.story.listening else None
        with self.session.looking():
            post(self.session.connection, opening_balance(WALLET, ether, Tether(0)), START, "0" * 32)
        self.session.connection.moved = False

    def _trace(self) -> str:
        return self._ids.uuid().hex
