"""Named histories: incidents of other senders and of the predecessor, step by step, each with its end.

List: `NAMED`, `history_named`. Every one plays on the real services and, after its own end, must settle like any other.
"""

from shared.sandbox.simulator.named.listed import NAMED, history_named

__all__ = ["NAMED", "history_named"]
