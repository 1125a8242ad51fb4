"""The price of ETH from a Chainlink aggregator contract: decode its answer, refuse what must not be believed.

Source: Chainlink, AggregatorV3Interface. `answeredInRound` is deprecated there and not looked at; a round that has not
ended has `updatedAt` 0.
"""

from datetime import datetime, timedelta
from typing import Final

from shared.chain.trouble import PriceUnusable
from shared.money import MoneyError, Price

LATEST_ROUND_DATA: Final = bytes.fromhex("feaf968c")  # keccak("latestRoundData()")[:4]
DECIMALS: Final = bytes.fromhex("313ce567")  # keccak("decimals()")[:4]
_WORD: Final = 32
_ROUND_WORDS: Final = 5

# Block time may be ahead of our clock by so much; a price from further ahead is no price.
_AHEAD: Final = timedelta(minutes=15)


def price_from(round_answer: bytes, decimals_answer: bytes, now: datetime, max_age_s: int) -> Price:
    """The feed's price at `now`. Raises PriceUnusable if it is missing, not positive, unfinished or too old."""
    if len(round_answer) != _ROUND_WORDS * _WORD or len(decimals_answer) != _WORD:
        raise PriceUnusable("not_a_feed", "the address does not answer as an aggregator does")
    words = [round_answer[at : at + _WORD] for at in range(0, len(round_answer), _WORD)]
    answer = int.from_bytes(words[1], "big", signed=True)
    updated_at_s = int.from_bytes(words[3], "big")
    if answer <= 0:
        raise PriceUnusable("not_positive", f"it answers {answer}")
    if updated_at_s == 0:
        raise PriceUnusable("round_incomplete", "its newest round has not ended")
    age_s = int(now.timestamp()) - updated_at_s
    if age_s > max_age_s:
        raise PriceUnusable("stale", f"its answer is {age_s} s old, {max_age_s} s are allowed")
    if age_s < -int(_AHEAD.total_seconds()):
        raise PriceUnusable("from_the_future", f"its answer is dated {-age_s} s ahead")
    try:
        return Price(answer, int.from_bytes(decimals_answer, "big"))
    except MoneyError as error:
        raise PriceUnusable("not_a_feed", str(error)) from error
