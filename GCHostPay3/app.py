"""The executor's composition root: builds its objects from the settings and hands them over. Nothing else."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from flask import Flask

from shared.archive import archive_at
from shared.chain import Chain, EthereumChain, LocalSigner, ProvidersUnavailable, Signer, same_address
from shared.chain.careful import CarefulSigner
from shared.chain.kms import KmsSigner
from shared.db import Database, refusal_recorder, schema_is_current
from shared.http import Component, create_service
from shared.messages import EXECUTOR_TO_CONDUCTOR, EXECUTOR_TO_EXECUTOR
from shared.queue import CloudTasksSender, Outbox, Sealer, destinations_from, keyring_from
from shared.settings import load_settings
from shared.telemetry import configure_logging

from .executor import SERVICE, Executor
from .promised import PromisedNonces
from .routes import routes_of
from .settings import ExecutorSettings


def create_app(settings: ExecutorSettings | None = None) -> Flask:
    """The WSGI application. Settings are read from the environment unless given; connects to nothing yet."""
    settings = settings or load_settings(ExecutorSettings)
    configure_logging(settings.log_format, settings.log_level, SERVICE, build=settings.build_id)
    database = Database.from_settings(settings, SERVICE)
    keyring = keyring_from(settings)
    sender = CloudTasksSender.from_settings(settings, settings.service_identity)
    destinations = destinations_from(settings, [EXECUTOR_TO_CONDUCTOR, EXECUTOR_TO_EXECUTOR])
    executor = Executor(
        db=database,
        chain=EthereumChain.from_settings(settings),
        signer=CarefulSigner(_signer(settings), PromisedNonces(database)),
        outbox=Outbox(database, sender, Sealer(keyring, destinations), uuid4),
        limits=settings.pay_limits(),
        chain_id=settings.chain_id,
        archive=archive_at(settings.signed_bytes_archive),
        waits=settings.waits(),
        new_id=uuid4,
    )
    return create_service(
        settings,
        "executor",
        routes_of(executor, settings.conductor_callers, settings.executor_callers, settings.scheduler_callers),
        _health(executor, settings),
        refusal_recorder(database),
        keyring=keyring,
    )


def _signer(settings: ExecutorSettings) -> Signer:
    """The holder of the wallet's key: this process, or Cloud KMS, which never gives the key away."""
    if settings.host_wallet_private_key is not None:
        return LocalSigner(settings.host_wallet_private_key.get_secret_value())
    return KmsSigner.connect(settings.host_wallet_kms_key_version, settings.host_wallet_eth_address)


def _health(executor: Executor, settings: ExecutorSettings) -> list[Component]:
    """One component per provider. While all of them must agree, each is vital: without it no verdict is given."""
    chain = executor.chain
    providers = len(settings.rpc_urls)
    all_must_agree = settings.ethereum_quorum in (None, providers)
    return [
        Component("database", executor.db.ping),
        Component("schema", lambda: schema_is_current(executor.db)),
        *(
            Component(f"chain_provider_{number + 1}", _provider_check(chain, number), vital=all_must_agree)
            for number in range(providers)
        ),
        Component("chain_id", lambda: _serves_our_chain(chain), vital=all_must_agree),
        Component("wallet", lambda: same_address(executor.wallet, settings.host_wallet_eth_address)),
    ]


def _provider_check(chain: Chain, number: int) -> Callable[[], bool]:
    return lambda: chain.latest_heads()[number].block is not None


def _serves_our_chain(chain: Chain) -> bool | None:
    """True or raising; None while a provider cannot be asked: its own component says so."""
    try:
        chain.check_chain_id()
    except ProvidersUnavailable:
        return None
    return True
