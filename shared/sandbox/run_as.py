"""Becomes another system user, then the program named on the command line: `run_as.py USER PROGRAM [ARGUMENT...]`.

PostgreSQL refuses to run as root. The change of user clears Linux's parent-death signal, so it is asked for again here,
after the change: if the guard that started us is killed outright, the program still gets its stop signal.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

if __name__ == "__main__":
    account = pwd.getpwnam(sys.argv[1])
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming that program is the purpose
