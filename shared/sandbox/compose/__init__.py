"""What docker-compose.yml starts beside the fleet and the sandbox's servers: `python -m shared.sandbox.compose.chain`,
`.database` and `.secrets`, each a process of its own that is ready when its ready line is written.

Nothing that they hold outlives them: `docker compose down` forgets everything.
"""
