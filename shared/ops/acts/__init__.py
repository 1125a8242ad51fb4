"""What people do to the fleet, each act checked under lock, rehearsed unless it is meant, and kept in a chained log.

Public: `perform(Doing(...), act)` -> `Performed`; the acts `retry`, `release`, `abandon_order`, `pause`, `resume`,
`approve`; `NotAllowed`, `NotKnown`, `Unsigned`; `verify_chain`. `rules` says which act is allowed now, for views too.
"""

from shared.ops.acts.act import Act, abandon_order, approve, release, retry
from shared.ops.acts.log import ChainBroken, Head, verify_chain
from shared.ops.acts.perform import Doing, Performed, Unsigned, perform
from shared.ops.acts.rules import NotAllowed
from shared.ops.acts.stages import pause, resume
from shared.ops.acts.standing import NotKnown

__all__ = [
    "Act",
    "ChainBroken",
    "Doing",
    "Head",
    "NotAllowed",
    "NotKnown",
    "Performed",
    "Unsigned",
    "abandon_order",
    "approve",
    "pause",
    "perform",
    "release",
    "resume",
    "retry",
    "verify_chain",
]
