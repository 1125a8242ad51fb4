"""The sandbox: everything around the fleet that is not the fleet, as real processes on the loopback address.

Top layer: may import services, is imported by none, never in the production image. Rooms and modules are imported
where they are used, because together they cost a second:

- `lifetime`   die_with_parent, announce_ready, listening, stop_on_signals, guarded
- `processes`  Process, ProcessGroup, StartFailed, ended_once, undisturbed
- `loopback`   LoopbackServer, Answer, Call, BadCall, call_json (control ports)
- `posting`    Posting, Outcome (an HTTP request with a hard deadline)
- `journal`    Journal (JSON lines); `recording` RecordingTarget (a target that remembers what it was sent)
- `postgres_proxy` PostgresProxy, Moment (a way to the database that fails); `chaos` breaks a fleet by a seed's plan
- `tasks`      the Cloud Tasks service; `identity` the token issuer; `scheduler` the Cloud Scheduler
"""
