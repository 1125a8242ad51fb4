"""Money as whole numbers of the smallest unit, each asset its own class: no float, no mixing, no lost unit.

Amounts:  `Usd` (micros), `Ether` (wei), `Tether` (USDT units) and the fraction `Percent` (ppm); `MoneyError`.
Shares:   `split`, `share_out`, `apportion_wei`, `take_fee`, `percent_floor`, `cut_to_decimals`.
Prices:   `Price` (the only place where ETH becomes USD), `deviation_ppm`, `within_band`.
"""

from shared.money.amounts import Ether, Tether, Usd
from shared.money.percent import Percent
from shared.money.price import Price, deviation_ppm, within_band
from shared.money.shares import apportion_wei, cut_to_decimals, percent_floor, share_out, split, take_fee
from shared.money.text import MoneyError

__all__ = [
    "Ether",
    "MoneyError",
    "Percent",
    "Price",
    "Tether",
    "Usd",
    "apportion_wei",
    "cut_to_decimals",
    "deviation_ppm",
    "percent_floor",
    "share_out",
    "split",
    "take_fee",
    "within_band",
]
