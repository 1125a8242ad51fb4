"""The queues of the fleet, with production's limits, for the task service of the sandbox."""

import json
from pathlib import Path

from shared.messages import ALL_EDGES


def write_queues(path: Path) -> None:
    """Write every queue that an edge of the fleet uses, as the task service reads them."""
    path.write_text(json.dumps([_queue(name) for name in sorted({edge.queue for edge in ALL_EDGES})]), encoding="utf-8")


def _queue(name: str) -> dict[str, object]:
    return {
        "name": name,
        "rateLimits": {"maxDispatchesPerSecond": 100, "maxConcurrentDispatches": 10},
        "retryConfig": {
            "maxAttempts": -1,
            "maxRetryDuration": "86400s",
            "minBackoff": "5s",
            "maxBackoff": "60s",
            "maxDoublings": 4,
        },
    }
