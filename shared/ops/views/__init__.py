"""What people see of the fleet: one matter in one screen, what waits for a person, and how everything is doing.

Public: `explain(conn, name, now, limits)` -> `Explanation`, `parked(conn, limits)` -> `list[Waits]`, `parked_lines`,
`status(conn, now, limits)` -> `Status`. They read one snapshot, change nothing, and name only acts that the
rules of `shared.ops.acts` allow.
"""

from shared.ops.views.explain import Explanation, explain
from shared.ops.views.parked import Waits, parked, parked_lines
from shared.ops.views.status import Status, status

__all__ = ["Explanation", "Status", "Waits", "explain", "parked", "parked_lines", "status"]
