"""What the scheduler is told to do."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit


class BadJob(ValueError):
    """A job was described that cannot be."""


@dataclass(frozen=True)
class Job:
    """Post to `url` every `every_s` seconds (before scaling); 0 means only when asked to over the control port."""

    name: str
    url: str
    every_s: float

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,500}", self.name):
            raise BadJob(f"job name {self.name!r}: letters, digits, - and _ only")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadJob(f"job {self.name}: the url must begin with http:// or https:// and name a host")
        if self.every_s < 0:
            raise BadJob(f"job {self.name}: the interval must not be negative")

    @property
    def audience(self) -> str:
        """The base URL of the target: what a service expects in its callers' identity tokens."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "name,url,every_s", as on the command line. Raises BadJob."""
        name, _comma, rest = text.partition(",")
        url, comma, every = rest.rpartition(",")
        try:
            every_s = float(every)
        except ValueError as error:
            raise BadJob(f"{text!r}: a job is written name,url,every_s") from error
        if not comma or every_s != every_s or every_s == float("inf"):
            raise BadJob(f"{text!r}: a job is written name,url,every_s")
        return cls(name, url, every_s)

    def __str__(self) -> str:
        """The form that `parse` reads."""
        return f"{self.name},{self.url},{self.every_s:g}"
