# pragma version 0.4.3
"""
@title  The sandbox's price feed: Chainlink's AggregatorV3Interface, the answer written by its owner.
@notice An answer has 8 decimals; `updatedAt` is the time of the block that wrote it, unless the owner
        names another one to show a stale feed.
"""

struct Round:
    answer: int256
    updated_at: uint256

decimals: public(constant(uint8)) = 8
description: public(constant(String[9])) = "ETH / USD"
version: public(constant(uint256)) = 4

event AnswerUpdated:
    current: indexed(int256)
    roundId: indexed(uint256)
    updatedAt: uint256

owner: public(address)
rounds: HashMap[uint80, Round]
last_round: uint80


@deploy
def __init__():
    self.owner = msg.sender


@external
def set_answer(_answer: int256):
    self._write(_answer, block.timestamp)


@external
def set_answer_at(_answer: int256, _updated_at: uint256):
    self._write(_answer, _updated_at)


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @return roundId, answer, startedAt, updatedAt, answeredInRound
    """
    return self._read(self.last_round)


@external
@view
def getRoundData(_round_id: uint80) -> (uint80, int256, uint256, uint256, uint80):
    return self._read(_round_id)


@internal
def _write(_answer: int256, _updated_at: uint256):
    assert msg.sender == self.owner, "owner only"
    self.last_round += 1
    self.rounds[self.last_round] = Round(answer=_answer, updated_at=_updated_at)
    log AnswerUpdated(current=_answer, roundId=convert(self.last_round, uint256), updatedAt=_updated_at)


@internal
@view
def _read(_round_id: uint80) -> (uint80, int256, uint256, uint256, uint80):
    found: Round = self.rounds[_round_id]
    assert found.updated_at > 0, "No data present"
    return _round_id, found.answer, found.updated_at, found.updated_at, _round_id
