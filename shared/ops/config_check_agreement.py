"""Settings of several services held against each other: one fleet has one chain, one wallet, one set of addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

if TYPE_CHECKING:
    from shared.http import ServiceSettings

_SAME: Final = (
    *("chain_id", "usdt_contract_address", "price_feed_address", "host_wallet_eth_address"),
    *("host_wallet_usdt_address", "cloud_tasks_project_id", "cloud_tasks_location", "success_url_signing_key"),
    *("cloud_sql_connection_name", "database_name_secret", "changenow_key_alias", "time_scale"),
    *("gchostpay1_url", "gchostpay2_url", "gchostpay3_url", "microbatch_url", "gchostpay1_response_queue"),
)
"""What every service that has it must have alike."""

_URL_OF: Final = {
    "gchostpay1_url": "GCHostPay1",
    "gchostpay2_url": "GCHostPay2",
    "gchostpay3_url": "GCHostPay3",
    "microbatch_url": "GCMicroBatchProcessor",
}
_CALLER: Final = {
    "batcher_callers": "GCMicroBatchProcessor",
    "conductor_callers": "GCHostPay1",
    "watcher_callers": "GCHostPay2",
    "executor_callers": "GCHostPay3",
}


def disagreements(loaded: Mapping[str, ServiceSettings]) -> list[str]:
    """One sentence part for each setting that two services have differently. No secret is repeated."""
    told = []
    for field in _SAME:
        values = {service: _plain(getattr(of, field)) for service, of in loaded.items() if hasattr(of, field)}
        if len(set(values.values())) > 1:
            told.append(f"{field.upper()} is not the same in {', '.join(values)}")
    for service, settings in loaded.items():
        told += _addresses(service, settings, loaded)
        told += _callers(service, settings, loaded)
    return told


def _addresses(service: str, settings: ServiceSettings, loaded: Mapping[str, ServiceSettings]) -> list[str]:
    wrong = [
        (field, other)
        for field, other in _URL_OF.items()
        if other in loaded and getattr(settings, field, loaded[other].service_url) != loaded[other].service_url
    ]
    return [f"{field.upper()} of {service} is not the SERVICE_URL of {other}" for field, other in wrong]


def _callers(service: str, settings: ServiceSettings, loaded: Mapping[str, ServiceSettings]) -> list[str]:
    read = [(field, other) for field, other in _CALLER.items() if other in loaded and hasattr(settings, field)]
    wrong = [(field, other) for field, other in read if loaded[other].service_identity not in getattr(settings, field)]
    return [f"{field.upper()} of {service} does not name the SERVICE_IDENTITY of {other}" for field, other in wrong]


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
