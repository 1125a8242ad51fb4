"""Mutants of the outbox: when a message is kept, and under which name its task is made."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.mutants.mutant import Mutant


class _KeptAfterwards:
    """An outbox that keeps a message after the commit that decided it, in a commit of its own."""

    def __init__(self, outbox: Any, database_of: Any, new_id: Any) -> None:
        self._outbox = outbox
        self._database_of = database_of
        self._new_id = new_id
        self._told: dict[UUID, Any] = {}

    def put(self, _conn: Any, *message: Any, **schedule: Any) -> UUID:
        number: UUID = self._new_id()
        self._told[number] = (message, schedule)
        return number

    def flush(self, ids: Any, now: Any) -> int:
        told = [self._told.pop(number) for number in ids if number in self._told]
        with self._database_of.transaction() as conn:
            kept = [self._outbox.put(conn, *message, **schedule) for message, schedule in told]
        made: int = self._outbox.flush(kept, now)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)


def _in_another_commit(world: Any, outbox: Any) -> Any:
    return _KeptAfterwards(outbox, outbox._db, Dice(world.seed, "mutant").uuid)  # noqa: SLF001 - as its owner has it


def _another_name_each_time(world: Any, _real: Any) -> Any:
    dice = Dice(world.seed, "mutant")
    return lambda _outbox_id: f"outbox-{dice.uuid()}"


MUTANTS: Final = (
    Mutant(
        "message_kept_in_another_commit",
        "a message is kept in the commit that decided it",
        {f"{role}.outbox": _in_another_commit for role in ("batcher", "conductor", "executor")},
        history="killed_between_commit_and_task",
        masked_by="every sweep asks again for what the rows say is to come",
    ),
    Mutant(
        "another_task_name_at_each_try",
        "a message's task has one name for ever, however often it is made",
        {"shared.queue.outbox:task_name": _another_name_each_time},
        history="an_answer_about_a_task_is_lost",
        masked_by="every handler takes a message twice",
    ),
)
