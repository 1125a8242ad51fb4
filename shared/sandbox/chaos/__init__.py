"""Chaos on the running fleet: a seed says what is broken and when, and the fleet must end as on a calm day.

Public, each imported where it is used: `plan.plan` (pure: seed -> timed actions), `storm.Storm` (carries a plan out on
a fleet and tells what it broke), `supervisor.Supervisor` (starts again what died, as Cloud Run does), `act` (breaks one
thing).
"""
