"""What may go wrong in a history, and how often. Probabilities are per mille of the occasions.

A seed draws its own profile: each fault is off in half of the histories and has one of several strengths in the
others. So a fault is also met alone, where another would have hidden what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from shared.sandbox.simulator.dice import Dice


@dataclass(frozen=True, slots=True)
class Profile:
    """The faults of one history. All of them stop `faults_last_s` after the start; then everything must settle."""

    # --- our own processes ---
    crashes: int = 0  # at a commit or an outside call, before or after it
    pauses: int = 0  # a handler stands still there, and the world goes on
    commits_unclear: int = 0  # the answer to a commit is lost, whether it happened or not
    database_away: int = 0  # a transaction cannot begin

    # --- the task queue ---
    tasks_not_made: int = 0  # refused, and said so
    tasks_unclear: int = 0  # made or not, and nobody says
    tasks_lost: int = 0  # a task that was made disappears
    tasks_twice: int = 0  # delivered again after a success, at once or within a day
    tasks_late: int = 0  # delivered minutes to 24 h late
    tasks_jitter_s: int = 0  # every delivery is up to so late: order is nobody's promise
    purges: int = 0  # per minute: every task of every queue is thrown away

    # --- the Ethereum providers ---
    providers_away: int = 0  # a question is not answered
    providers_lag: int = 0  # a provider stays up to three blocks behind
    sends_lost: int = 0  # the bytes never arrive, the connection breaks
    sends_unanswered: int = 0  # the bytes arrive, the answer is lost
    sends_dropped: int = 0  # "ok", and the bytes are gone
    receipts_missing: int = 0  # a receipt that exists is not shown
    evictions: int = 0  # per block: the mempool forgets a transaction
    blocks_pass_over: int = 0  # per block: it takes nothing
    reorgs: int = 0  # per block: the last one or two blocks are replaced
    reorgs_lose: int = 0  # a transaction in a replaced block does not return to the mempool
    fee_spikes: int = 0  # per block: the base fee jumps for a while
    nonce_taken: int = 0  # the history: somebody else uses the wallet's key (must freeze the account)
    funds_short: int = 0  # the history: the wallet is too poor until a person tops it up

    # --- the exchange ---
    creations_unclear: int = 0  # an order is asked for, made or not, and nobody says
    creations_refused: int = 0
    creations_wrong: int = 0  # the answer contradicts the request
    quotes_missing: int = 0
    reads_missing: int = 0  # 404 for an order that exists
    reads_unreadable: int = 0
    reads_stale: int = 0  # an older view of the order than one shown before
    reads_thin: int = 0  # fields that were told before are null
    reads_strange: int = 0  # a status word that nobody knows
    orders_unusual: int = 0  # an order ends otherwise than by paying what was expected
    deposits_refused: int = 0  # an order's address does not take ETH, as its code says or only when it is mined

    # --- the people outside ---
    webhooks_twice: int = 0
    webhooks_odd: int = 0  # a payment came in another currency, or nobody says how much came
    pauses_by_person: int = 0  # the history: sending or intake is paused for a while
    operators: int = 0  # per minute: an operator acts on something, whether it makes sense or not

    faults_last_s: int = 15 * 60

    def without_faults(self) -> Profile:
        """The same shape of history with nothing going wrong."""
        return Profile(faults_last_s=self.faults_last_s)

    @classmethod
    def of_seed(cls, seed: int) -> Profile:
        """The profile that a seed draws. Somebody else at the wallet's key is never drawn: it must freeze."""
        dice = Dice(seed, "profile")
        drawn = {name: dice.pick(strengths) for name, strengths in _STRENGTHS if dice.happens(500)}
        return cls(**drawn)

    def changed(self, **fields_: int) -> Profile:
        return replace(self, **fields_)

    def story(self) -> str:
        """The faults that may happen, as one line."""
        told = [f"{field.name} {getattr(self, field.name)}" for field in fields(self) if getattr(self, field.name)]
        return ", ".join(told)


class Faults:
    """The faults that may happen now: the history's profile, until they stop. A script may change them on its way."""

    def __init__(self, profile: Profile) -> None:
        self.now = profile

    def stop(self) -> None:
        """From now on nothing goes wrong any more."""
        self.now = self.now.without_faults()


_STRENGTHS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("crashes", (3, 10, 25)),
    ("pauses", (5, 20, 60)),
    ("commits_unclear", (3, 10, 25)),
    ("database_away", (5, 20)),
    ("tasks_not_made", (20, 80)),
    ("tasks_unclear", (20, 80)),
    ("tasks_lost", (20, 60)),
    ("tasks_twice", (40, 150)),
    ("tasks_late", (20, 60)),
    ("tasks_jitter_s", (2, 20)),
    ("purges", (20, 50)),
    ("providers_away", (5, 20, 60)),
    ("providers_lag", (200, 500)),
    ("sends_lost", (120, 300)),
    ("sends_unanswered", (180, 400)),
    ("sends_dropped", (40, 300)),
    ("receipts_missing", (100, 300)),
    ("evictions", (30, 150)),
    ("blocks_pass_over", (200, 500)),
    ("reorgs", (30, 120)),
    ("reorgs_lose", (200, 700)),
    ("fee_spikes", (10, 30)),
    ("funds_short", (150,)),
    ("creations_unclear", (100, 300, 850)),
    ("creations_refused", (50, 150)),
    ("creations_wrong", (30, 100)),
    ("quotes_missing", (50, 200)),
    ("reads_missing", (50, 200)),
    ("reads_unreadable", (50, 200)),
    ("reads_stale", (50, 200)),
    ("reads_thin", (50, 200)),
    ("reads_strange", (30, 100)),
    ("orders_unusual", (200, 500, 900)),
    ("deposits_refused", (100, 400)),
    ("webhooks_twice", (200, 500)),
    ("webhooks_odd", (100, 300)),
    ("pauses_by_person", (150,)),
    ("operators", (100, 300, 800)),
)
