"""What the services say to each other, over which edges, and how it is sealed and opened. Pure.

Messages: `Message` and its fourteen classes, `MESSAGE_TYPES`, `batch_unique_id`, `batch_of_unique_id`, `as_sentence`.
Edges:    `Edge`, one constant per edge, `ALL_EDGES`, `edge_named`.
Tokens:   `Keyring`, `seal`, `open_sealed`, `Opened`, `Format`, `READS`, `SEALS`; `encode_body`, `decode_body` for the
          outbox; `V1Door`, `V1Window` for the predecessor's.
Errors:   `TokenMalformed`, `TokenForeign` and of it `TokenKeyUnknown`, `TokenExpired`, `TokenVersionUnsupported`
          (all Refused), `MessageInvalid` and `KeyringError` (both Broken).
"""

from shared.messages.body import decode_body, encode_body
from shared.messages.edges import (
    ALL_EDGES,
    BATCHER_TO_BATCHER,
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_BATCHER_EXECUTED,
    CONDUCTOR_TO_BATCHER_FAILED,
    CONDUCTOR_TO_CONDUCTOR,
    CONDUCTOR_TO_EXECUTOR,
    CONDUCTOR_TO_WATCHER,
    EXECUTOR_TO_CONDUCTOR,
    EXECUTOR_TO_EXECUTOR,
    UPSTREAM_TO_CONDUCTOR,
    WATCHER_TO_CONDUCTOR,
    Edge,
    edge_named,
)
from shared.messages.errors import (
    KeyringError,
    MessageInvalid,
    TokenExpired,
    TokenForeign,
    TokenKeyUnknown,
    TokenMalformed,
    TokenVersionUnsupported,
)
from shared.messages.fields import as_sentence
from shared.messages.formats import READS, SEALS, Format
from shared.messages.keys import Keyring
from shared.messages.kinds import (
    MESSAGE_TYPES,
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
    batch_of_unique_id,
    batch_unique_id,
)
from shared.messages.sealing import Opened, open_sealed, seal
from shared.messages.v1 import V1Door, V1Window

__all__ = [
    "ALL_EDGES",
    "BATCHER_TO_BATCHER",
    "BATCHER_TO_CONDUCTOR",
    "CONDUCTOR_TO_BATCHER_EXECUTED",
    "CONDUCTOR_TO_BATCHER_FAILED",
    "CONDUCTOR_TO_CONDUCTOR",
    "CONDUCTOR_TO_EXECUTOR",
    "CONDUCTOR_TO_WATCHER",
    "EXECUTOR_TO_CONDUCTOR",
    "EXECUTOR_TO_EXECUTOR",
    "MESSAGE_TYPES",
    "READS",
    "SEALS",
    "UPSTREAM_TO_CONDUCTOR",
    "WATCHER_TO_CONDUCTOR",
    "CheckArrival",
    "CheckOrder",
    "DeliverAlert",
    "DriveAccount",
    "Edge",
    "Format",
    "GiveUpOrder",
    "InstantPayout",
    "Keyring",
    "KeyringError",
    "Message",
    "MessageInvalid",
    "Opened",
    "OrderChecked",
    "PayBatch",
    "PayOrder",
    "SwapExecuted",
    "SwapFailed",
    "TokenExpired",
    "TokenForeign",
    "TokenKeyUnknown",
    "TokenMalformed",
    "TokenVersionUnsupported",
    "TransferFinal",
    "TransferVoided",
    "V1Door",
    "V1Window",
    "VoidTransfer",
    "as_sentence",
    "batch_of_unique_id",
    "batch_unique_id",
    "decode_body",
    "edge_named",
    "encode_body",
    "open_sealed",
    "seal",
]
