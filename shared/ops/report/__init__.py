"""`gcpay report`: where all money is, whether rows, books and chain agree about it, and what a period cost.

Public: `read_report(conn, period, now)` -> `Report`, `Stage`, `Period`, `Line`, `Total`, `Unexplained`, `Swapped`,
`period_of` (a period from what a person typed). `show` prints it as text, JSON or CSV. One snapshot is read and
nothing is written; every total is the sum of the lines above it.
"""

from shared.ops.report.figures import Report, Stage, Swapped, Unexplained
from shared.ops.report.lines import Line, Total, totals_of
from shared.ops.report.period import Period, period_of
from shared.ops.report.read import read_report

__all__ = [
    "Line",
    "Period",
    "Report",
    "Stage",
    "Swapped",
    "Total",
    "Unexplained",
    "period_of",
    "read_report",
    "totals_of",
]
