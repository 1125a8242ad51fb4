# pragma version 0.4.3
"""
@title  The sandbox's USDT: what Tether's contract on mainnet does to a program that talks to it.
@notice 6 decimals. `transfer`, `transferFrom` and `approve` return nothing. The owner may pause every
        transfer, blacklist a sender and set a fee in basis points (0 until then, as on mainnet);
        a transfer with a fee writes two Transfer logs. `mint` exists for the sandbox alone.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

event Pause: pass
event Unpause: pass

event AddedBlackList:
    user: indexed(address)

event RemovedBlackList:
    user: indexed(address)

event Params:
    feeBasisPoints: uint256
    maxFee: uint256

name: public(constant(String[10])) = "Tether USD"
symbol: public(constant(String[4])) = "USDT"
decimals: public(constant(uint256)) = 6

MAX_BASIS_POINTS: constant(uint256) = 20          # Tether's own ceiling: 0.2 %
MAX_FEE_CEILING: constant(uint256) = 50 * 10**6   # Tether's own ceiling: 50 USDT a transfer

owner: public(address)
paused: public(bool)
isBlackListed: public(HashMap[address, bool])
basisPointsRate: public(uint256)
maximumFee: public(uint256)
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__():
    self.owner = msg.sender


@external
def transfer(_to: address, _value: uint256):
    assert not self.paused, "paused"
    assert not self.isBlackListed[msg.sender], "sender is blacklisted"
    self._move(msg.sender, _to, _value)


@external
def transferFrom(_from: address, _to: address, _value: uint256):
    assert not self.paused, "paused"
    assert not self.isBlackListed[_from], "sender is blacklisted"
    # An allowance of the largest number is not used up, as in Tether's contract.
    if self.allowance[_from][msg.sender] < max_value(uint256):
        self.allowance[_from][msg.sender] -= _value
    self._move(_from, _to, _value)


@external
def approve(_spender: address, _value: uint256):
    # Tether refuses to change a standing allowance: it must pass through zero.
    assert _value == 0 or self.allowance[msg.sender][_spender] == 0, "set the allowance to zero first"
    self.allowance[msg.sender][_spender] = _value
    log Approval(owner=msg.sender, spender=_spender, value=_value)


@external
def mint(_to: address, _value: uint256):
    self._only_owner()
    self.totalSupply += _value
    self.balanceOf[_to] += _value
    log Transfer(sender=empty(address), receiver=_to, value=_value)


@external
def pause():
    self._only_owner()
    self.paused = True
    log Pause()


@external
def unpause():
    self._only_owner()
    self.paused = False
    log Unpause()


@external
def addBlackList(_user: address):
    self._only_owner()
    self.isBlackListed[_user] = True
    log AddedBlackList(user=_user)


@external
def removeBlackList(_user: address):
    self._only_owner()
    self.isBlackListed[_user] = False
    log RemovedBlackList(user=_user)


@external
def setParams(_new_basis_points: uint256, _new_max_fee: uint256):
    """
    @param _new_basis_points fee in 1/10,000 of the value, at most 20
    @param _new_max_fee      largest fee of one transfer in USDT units, at most 50 USDT
    """
    self._only_owner()
    assert _new_basis_points <= MAX_BASIS_POINTS, "fee above the ceiling"
    assert _new_max_fee <= MAX_FEE_CEILING, "maximum fee above the ceiling"
    self.basisPointsRate = _new_basis_points
    self.maximumFee = _new_max_fee
    log Params(feeBasisPoints=_new_basis_points, maxFee=_new_max_fee)


@internal
def _move(_from: address, _to: address, _value: uint256):
    fee: uint256 = min(_value * self.basisPointsRate // 10000, self.maximumFee)
    self.balanceOf[_from] -= _value
    self.balanceOf[_to] += _value - fee
    if fee > 0:
        self.balanceOf[self.owner] += fee
        log Transfer(sender=_from, receiver=self.owner, value=fee)
    log Transfer(sender=_from, receiver=_to, value=_value - fee)


@internal
@view
def _only_owner():
    assert msg.sender == self.owner, "owner only"
