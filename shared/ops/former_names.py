"""What the settings were called in the system before this one, for whoever brings its secrets along."""

from __future__ import annotations

from typing import Final

RENAMED: Final = {
    "ETHEREUM_RPC_URLS": "ETHEREUM_RPC_URL",
    "ALERT_WEBHOOK_URL": "SLACK_ALERT_WEBHOOK",
}
"""By today's name."""

KEPT: Final = frozenset(
    {
        *("SUCCESS_URL_SIGNING_KEY", "TPS_HOSTPAY_SIGNING_KEY"),
        *("CLOUD_TASKS_PROJECT_ID", "CLOUD_TASKS_LOCATION"),
        *("CLOUD_SQL_CONNECTION_NAME", "DATABASE_NAME_SECRET", "DATABASE_USER_SECRET", "DATABASE_PASSWORD_SECRET"),
        *("CHANGENOW_API_KEY", "HOST_WALLET_USDT_ADDRESS", "HOST_WALLET_ETH_ADDRESS", "HOST_WALLET_PRIVATE_KEY"),
        *("TP_FLAT_FEE", "MICRO_BATCH_THRESHOLD_USD"),
        *("GCHOSTPAY1_URL", "GCHOSTPAY1_BATCH_QUEUE", "GCHOSTPAY1_RESPONSE_QUEUE"),
        *("GCHOSTPAY2_URL", "GCHOSTPAY2_QUEUE", "GCHOSTPAY3_URL", "GCHOSTPAY3_QUEUE", "GCHOSTPAY3_RETRY_QUEUE"),
        *("MICROBATCH_URL", "MICROBATCH_RESPONSE_QUEUE"),
    }
)
"""Called today as they were then."""

GONE: Final = {
    "ETHEREUM_RPC_URL_API": "only its presence counted; fees are always those of EIP-1559",
    "ALERTING_ENABLED": "alerts are always kept; ALERT_WEBHOOK_URL alone says whether somebody hears of them",
    "GCHOSTPAY1_QUEUE": "the queue on which upstream asks for instant payouts is upstream's setting",
    "GCACCUMULATOR_RESPONSE_QUEUE": "nothing answers the intake",
    "GCACCUMULATOR_URL": "nothing calls the intake but upstream",
    "GCSPLIT2_QUEUE": "was read and never used",
    "GCSPLIT2_URL": "was read and never used",
    "GCSPLIT3_QUEUE": "was read and never used",
    "GCSPLIT3_URL": "was read and never used",
}
"""No setting any more, and why."""


def former_name(name: str) -> str | None:
    """The name of a setting then; None for a setting that is new."""
    return RENAMED.get(name, name if name in KEPT else None)
