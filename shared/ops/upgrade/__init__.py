"""Takes over from the predecessor: imports its open payments, once; people decide about those that were swapping.

Import:  `import_v1` (the act), `Export`, `read_export`, `Terms`, `Imported`.
After:   `release_v1` (the act) for the payments of one of its batches whose order was never paid.
"""

from shared.ops.upgrade.export import Export, ExportWrong, read_export
from shared.ops.upgrade.imported import Imported, Terms
from shared.ops.upgrade.release import release_v1
from shared.ops.upgrade.take_in import RowsRefused, import_v1

__all__ = ["Export", "ExportWrong", "Imported", "RowsRefused", "Terms", "import_v1", "read_export", "release_v1"]
