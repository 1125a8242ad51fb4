"""Who owns what on the sandbox's chain. These are anvil's development accounts, made from a mnemonic that is printed in
its documentation: **their keys are public, whatever is sent to them on a real chain is lost at once.**
"""

from __future__ import annotations

from dataclasses import dataclass, field

MNEMONIC = "test test test test test test test test test test test junk"


@dataclass(frozen=True)
class Account:
    """A public test account: its checksummed address and its key (`0x` and 64 hex digits)."""

    index: int
    address: str
    private_key: str = field(repr=False)


DEPLOYER = Account(
    0,
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
)
"""Owns the token and the price feed."""

HOST_WALLET = Account(
    1,
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
)
"""The platform's wallet: its key is what the executor holds in the sandbox."""

EXCHANGE_WALLET = Account(
    2,
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)
"""The exchange's hot wallet: pays the USDT out and the refunds back."""

FAUCET = Account(
    3,
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
)
"""Where `fund` takes its Ether from."""
