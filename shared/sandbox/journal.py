"""What a sandbox process writes down: one JSON object a line, event name first, never a secret."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO


class Journal:
    """Appends events to a file; with no path it keeps quiet. Safe to use from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def write(self, event: str, **fields: object) -> None:
        """Add one line. After `close` (a late thread during a stop) the line is dropped."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(), "event": event, **fields}, default=str)
        with self._lock:
            if self._file is not None:
                self._file.write(line + "\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file. A repeat does nothing."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
