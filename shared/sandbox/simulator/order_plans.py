"""What an order at the model exchange will come to. It is drawn when the order is opened, as fate is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.sandbox.simulator.dice import Dice


class Fate(StrEnum):
    """How an order ends once it is paid."""

    PAYS = "pays what was expected"
    PAYS_LESS_BY_ONE = "pays one unit less"
    PAYS_FAR_LESS = "pays a quarter less"
    PAYS_MORE = "pays more"
    HOLDS_THEN_PAYS = "is held, then pays"
    FAILS_THEN_PAYS = "fails, then pays after all"
    WANDERS_THEN_PAYS = "fails, is held, fails again and pays after all"
    HOLDS = "is held for ever"
    FAILS = "fails for ever"
    REFUNDS = "is refunded"
    FAILS_THEN_REFUNDS = "fails, then is refunded"
    HOLDS_THEN_REFUNDS = "is held, then is refunded"
    PAYS_IN_TWO_LOGS = "pays in two transfers of one transaction"
    PAYS_NOTHING = "names a payout that reverted"
    NAMES_ANOTHERS_PAYOUT = "names the payout of another order"
    EXPIRES_EARLY = "expires soon, and takes a late deposit all the same"

    @property
    def pays(self) -> bool:
        """Whether exactly one transfer of USDT reaches the wallet in the end."""
        return self in _PAYS

    @property
    def refunds(self) -> bool:
        return self in (Fate.REFUNDS, Fate.FAILS_THEN_REFUNDS, Fate.HOLDS_THEN_REFUNDS)


_PAYS: Final = frozenset(
    {
        Fate.PAYS,
        Fate.PAYS_LESS_BY_ONE,
        Fate.PAYS_FAR_LESS,
        Fate.PAYS_MORE,
        Fate.HOLDS_THEN_PAYS,
        Fate.FAILS_THEN_PAYS,
        Fate.WANDERS_THEN_PAYS,
        Fate.EXPIRES_EARLY,
    }
)
_UNUSUAL: Final = (
    (Fate.PAYS_LESS_BY_ONE, 4),
    (Fate.PAYS_FAR_LESS, 2),
    (Fate.PAYS_MORE, 3),
    (Fate.HOLDS_THEN_PAYS, 4),
    (Fate.FAILS_THEN_PAYS, 3),
    (Fate.WANDERS_THEN_PAYS, 3),
    (Fate.HOLDS, 1),
    (Fate.FAILS, 1),
    (Fate.REFUNDS, 4),
    (Fate.FAILS_THEN_REFUNDS, 3),
    (Fate.HOLDS_THEN_REFUNDS, 3),
    (Fate.PAYS_IN_TWO_LOGS, 1),
    (Fate.PAYS_NOTHING, 1),
    (Fate.NAMES_ANOTHERS_PAYOUT, 1),
    (Fate.EXPIRES_EARLY, 5),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The fate of an order and its times; `payout_percent_ppm` is what it pays of what it expected."""

    fate: Fate
    exchanging_after_s: int
    trouble_s: int  # how long it is held or failed before it goes on
    sending_after_s: int
    finished_after_s: int
    hash_after_s: int  # how long `finished` is shown without the payout's hash
    shown_after_s: int  # 404 until then
    payout_ppm: int
    expires_after_s: int

    @classmethod
    def drawn(cls, dice: Dice, unusual: int) -> Plan:
        """A plan; `unusual` is how often, per mille, it is not simply to pay."""
        fate = dice.weighted(_UNUSUAL) if dice.happens(unusual) else Fate.PAYS
        return cls(
            fate=fate,
            exchanging_after_s=dice.between(5, 60),
            trouble_s=dice.weighted(((dice.between(30, 300), 19), (dice.between(3_600, 7_200), 1))),
            sending_after_s=dice.between(5, 60),
            finished_after_s=dice.between(5, 60),
            hash_after_s=dice.weighted(((0, 8), (dice.between(10, 90), 2))),
            shown_after_s=dice.weighted(((0, 8), (dice.between(5, 60), 2))) if unusual else 0,
            payout_ppm=dice.between(990_000, 1_010_000),
            expires_after_s=dice.between(1, 150),
        )
