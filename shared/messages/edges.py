"""Who may say what to whom: every way a message can go, with its queue, its address and its secret.

Nothing else in the fleet decides which messages a route accepts; documents and deploy scripts are made from this.
"""

from dataclasses import dataclass
from typing import Final

from shared.messages.keys import Secret
from shared.messages.kinds import (
    CheckArrival,
    CheckOrder,
    DeliverAlert,
    DriveAccount,
    GiveUpOrder,
    InstantPayout,
    Message,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapExecuted,
    SwapFailed,
    TransferFinal,
    TransferVoided,
    VoidTransfer,
)

DEFAULT_MAX_AGE_S: Final = 25 * 3600  # the queues retry for 24 h; one hour of margin (DESIGN 4)
MIN_MAX_AGE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Edge:
    """One way for messages. `queue_setting` and `url_setting` are what the *producer* reads; `queue` is the default.

    `max_age_s`: how long after its schedule time a token is still opened. Lateness must not lose money and replay is
    harmless by state, so it covers the queue's whole retry window; under 300 s is refused.
    """

    producer: str
    consumer: str
    route: str
    queue_setting: str
    queue: str
    url_setting: str
    messages: tuple[type[Message], ...]
    secret: Secret = "internal"  # noqa: S105 - names a kind of secret, is none
    max_age_s: int = DEFAULT_MAX_AGE_S

    def __post_init__(self) -> None:
        if self.max_age_s < MIN_MAX_AGE_S:
            raise ValueError(f"an edge's messages must live at least {MIN_MAX_AGE_S} s")

    @property
    def name(self) -> str:
        """ "producer>consumer:/route": under the MAC of every token, stored in the outbox; never renamed in place."""
        return f"{self.producer}>{self.consumer}:{self.route}"


UPSTREAM_TO_CONDUCTOR: Final = Edge(
    producer="upstream",
    consumer="conductor",
    route="/",
    queue_setting="GCHOSTPAY1_QUEUE",
    queue="gcsplit-hostpay-trigger-queue",
    url_setting="GCHOSTPAY1_URL",
    messages=(InstantPayout,),
    secret="external",  # noqa: S106 - names a kind of secret, is none
)
BATCHER_TO_CONDUCTOR: Final = Edge(
    producer="batcher",
    consumer="conductor",
    route="/",
    queue_setting="GCHOSTPAY1_BATCH_QUEUE",
    queue="gchostpay1-batch-queue",
    url_setting="GCHOSTPAY1_URL",
    messages=(PayBatch, GiveUpOrder),
)
CONDUCTOR_TO_WATCHER: Final = Edge(
    producer="conductor",
    consumer="watcher",
    route="/",
    queue_setting="GCHOSTPAY2_QUEUE",
    queue="gchostpay2-status-check-queue",
    url_setting="GCHOSTPAY2_URL",
    messages=(CheckOrder,),
)
WATCHER_TO_CONDUCTOR: Final = Edge(
    producer="watcher",
    consumer="conductor",
    route="/status-verified",
    queue_setting="GCHOSTPAY1_RESPONSE_QUEUE",
    queue="gchostpay1-response-queue",
    url_setting="GCHOSTPAY1_URL",
    messages=(OrderChecked,),
)
CONDUCTOR_TO_EXECUTOR: Final = Edge(
    producer="conductor",
    consumer="executor",
    route="/",
    queue_setting="GCHOSTPAY3_QUEUE",
    queue="gchostpay3-payment-exec-queue",
    url_setting="GCHOSTPAY3_URL",
    messages=(PayOrder, VoidTransfer),
)
EXECUTOR_TO_EXECUTOR: Final = Edge(
    producer="executor",
    consumer="executor",
    route="/drive",
    queue_setting="GCHOSTPAY3_RETRY_QUEUE",
    queue="gchostpay3-retry-queue",
    url_setting="GCHOSTPAY3_URL",
    messages=(DriveAccount,),
)
EXECUTOR_TO_CONDUCTOR: Final = Edge(
    producer="executor",
    consumer="conductor",
    route="/payment-completed",
    queue_setting="GCHOSTPAY1_RESPONSE_QUEUE",
    queue="gchostpay1-response-queue",
    url_setting="GCHOSTPAY1_URL",
    messages=(TransferFinal, TransferVoided),
)
CONDUCTOR_TO_CONDUCTOR: Final = Edge(
    producer="conductor",
    consumer="conductor",
    route="/retry-callback-check",
    queue_setting="GCHOSTPAY1_RESPONSE_QUEUE",
    queue="gchostpay1-response-queue",
    url_setting="GCHOSTPAY1_URL",
    messages=(CheckArrival,),
)
CONDUCTOR_TO_BATCHER_EXECUTED: Final = Edge(
    producer="conductor",
    consumer="batcher",
    route="/swap-executed",
    queue_setting="MICROBATCH_RESPONSE_QUEUE",
    queue="microbatch-response-queue",
    url_setting="MICROBATCH_URL",
    messages=(SwapExecuted,),
)
CONDUCTOR_TO_BATCHER_FAILED: Final = Edge(
    producer="conductor",
    consumer="batcher",
    route="/swap-failed",
    queue_setting="MICROBATCH_RESPONSE_QUEUE",
    queue="microbatch-response-queue",
    url_setting="MICROBATCH_URL",
    messages=(SwapFailed,),
)
BATCHER_TO_BATCHER: Final = Edge(
    producer="batcher",
    consumer="batcher",
    route="/deliver-alert",
    queue_setting="MICROBATCH_ALERT_QUEUE",
    queue="microbatch-alert-queue",
    url_setting="SERVICE_URL",
    messages=(DeliverAlert,),
)

ALL_EDGES: Final[tuple[Edge, ...]] = (
    UPSTREAM_TO_CONDUCTOR,
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_WATCHER,
    WATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_EXECUTOR,
    EXECUTOR_TO_EXECUTOR,
    EXECUTOR_TO_CONDUCTOR,
    CONDUCTOR_TO_CONDUCTOR,
    CONDUCTOR_TO_BATCHER_EXECUTED,
    CONDUCTOR_TO_BATCHER_FAILED,
    BATCHER_TO_BATCHER,
)


def edge_named(name: str) -> Edge:
    """The edge an outbox row names. KeyError if there is none: the row is another fleet's."""
    return _BY_NAME[name]


_BY_NAME: Final = {edge.name: edge for edge in ALL_EDGES}
