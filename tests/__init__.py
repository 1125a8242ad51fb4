"""Tests by kind: unit, property, contract, integration, migration, assumptions, docs, e2e. Each kind says what belongs there."""
