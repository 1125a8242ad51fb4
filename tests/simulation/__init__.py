"""The whole fleet in one process: seeded histories in which everything goes wrong, and what must hold all the same."""
