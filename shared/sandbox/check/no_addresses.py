"""The project pins what it depends on by hash, and never where it is fetched from: each place has its own mirror."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from shared.sandbox.check.checkout import Checkout, Finding

# Put together, so that this file does not find itself.
_HOSTS = ["pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "registry.yarn" + "pkg.com"]
_OPTIONS = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "--trusted" + "-host"]
_HOST = re.compile("|".join(re.escape(host) for host in _HOSTS))
_OPTION = re.compile("(?<!no-emit)(?:" + "|".join(_OPTIONS) + r")\b")
_PINS_ADDRESSES = {
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "pip.conf",
    ".npmrc",
}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every registry host, every option that names one, and every kind of lock file that holds them."""
    for source in checkout.sources:
        if PurePosixPath(source.path).name in _PINS_ADDRESSES:
            yield source.finding(1, __name__, "this kind of file pins a registry's address; requirements.lock is ours")
        for number, line in source.lines():
            if found := _HOST.search(line) or _OPTION.search(line):
                yield source.finding(number, __name__, f"{found.group(0)} names a package registry")
            elif source.path == "requirements.lock" and re.search(r"https?://|git\+", line):
                yield source.finding(number, __name__, "an address in the lock file")
