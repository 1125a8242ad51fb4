"""Tests by kind: unit, property, contract, integration, migration, docs and e2e; each kind says what belongs there."""
