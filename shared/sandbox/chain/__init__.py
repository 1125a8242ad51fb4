"""A real EVM chain for the sandbox: anvil, a USDT-like token, a price feed, and a second endpoint that can misbehave.

- `install`    ensure_anvil, AnvilUnavailable: fetches the pinned program on first use
- `node`       anvil_command, Chain, CHAIN_ID: starts it
- `accounts`   DEPLOYER, HOST_WALLET, EXCHANGE_WALLET, FAUCET: public test keys
- `contracts`  load, compile_source: Vyper sources with committed ABI and bytecode
- `deploy`     deploy, Deployment, fund, set_balance
- `wallet`     Wallet, read, token_balance, call_bytes, TRANSFER_TOPIC
- `rpc`        Rpc, RpcRefused, RpcUnreachable
- `endpoint`   `python -m shared.sandbox.chain.endpoint --upstream URL --port P`

`deploy` and `wallet` are imported where they are used: signing costs 0.4 s of imports.
"""

from .accounts import DEPLOYER, EXCHANGE_WALLET, FAUCET, HOST_WALLET, Account
from .install import AnvilUnavailable, ensure_anvil
from .node import CHAIN_ID, Chain, anvil_command

__all__ = [
    "CHAIN_ID",
    "DEPLOYER",
    "EXCHANGE_WALLET",
    "FAUCET",
    "HOST_WALLET",
    "Account",
    "AnvilUnavailable",
    "Chain",
    "anvil_command",
    "ensure_anvil",
]
