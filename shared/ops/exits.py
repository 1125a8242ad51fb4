"""The exit codes of `gcpay`, and the one way to leave with a sentence."""

from enum import IntEnum


class Exit(IntEnum):
    """What a caller's script may rely on. Shown in `gcpay --help`; the numbers above 63 are those of sysexits.h."""

    OK = 0
    NO = 1
    USAGE = 2
    UNAVAILABLE = 69
    INTERNAL = 70
    TRY_LATER = 75
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for the help."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done, or the answer is yes",
    Exit.NO: "the answer is no: a test failed, a check found something, the books do not balance",
    Exit.USAGE: "the command or a file it was given is wrong; nothing was done",
    Exit.UNAVAILABLE: "something that is needed is missing or cannot be reached",
    Exit.INTERNAL: "a fault in gcpay itself",
    Exit.TRY_LATER: "not now: the same command may succeed later",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}


class Leave(Exception):
    """Ends the command with a sentence for the person and an exit code; no traceback."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
