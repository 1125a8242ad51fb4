"""The deterministic simulator: whole histories of the fleet in one process, every one from a seed, each with its faults.

Play one:   `play` (an `Ending`), `History` (explicit steps), `Profile` (what may go wrong, per mille).
Inside:     `World` (`World.build(session, seed, profile, replace={...})`), `Session` (one PostgreSQL connection),
            `Violation`, `Failure`.
Many:       `run_seeds`, `Result`; `SimulatorDatabase` (a server with the fleet's schema).
"""
