"""What people do with the fleet: the `gcpay` command line and what its verbs show.

Public, each imported where it is used because a prompt must not wait for all of them: `cli` (the command), `exits`
(exit codes and `Leave`), `checks` (`gcpay check`), `tests` (`gcpay test`), `settings_table` (`gcpay config`),
`books_report` (`gcpay books`), `operations` (what people do and see, over the rooms `acts` and `views`), `where` (which
fleet a command is about). Verbs of the sandbox are imported when they are called: production has no sandbox.
"""
