"""What one test has done to its database, the next one does not see."""

from __future__ import annotations
