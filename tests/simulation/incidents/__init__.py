"""The incident suite: how a fleet like this one failed before, row by row, and what comes of it here.

`rows.ROWS` is the list of all incidents, by id. A test names the rows that it plays with `@incident("L-01")`, so their
ids stand in its node id; `explained.EXPLAINED` says why this product cannot meet a row. `test_every_row` fails when a
row is in neither, or in both.
"""
