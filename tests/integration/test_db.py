"""Transactions on a real database."""

from shared.db import Database


def test_the_database_answers(database: Database) -> None:
    assert database.ping()
