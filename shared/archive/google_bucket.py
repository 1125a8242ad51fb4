"""A bucket of Google Cloud Storage through its JSON API, with the service account of the process.

Source: cloud.google.com/storage/docs/json_api; `ifGenerationMatch=0` makes an object only if its name is free.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from shared.archive.port import ArchiveUnavailable

_API: Final = "https://storage.googleapis.com"
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_LIMIT_S: Final = 10
_OK: Final = 200
_NAME_IS_TAKEN: Final = 412


class GoogleBucket:
    """`Bucket` on Cloud Storage. `session` is an AuthorizedSession of google-auth; made at first use unless given."""

    def __init__(self, bucket: str, session: Any = None, api: str = _API) -> None:
        self._bucket = quote(bucket, safe="")
        self._session = session
        self._api = api

    def create(self, name: str, content: bytes) -> bool:
        """As the port says."""
        url = f"{self._api}/upload/storage/v1/b/{self._bucket}/o"
        params = {"uploadType": "media", "name": name, "ifGenerationMatch": "0"}
        headers = {"Content-Type": "application/json"}
        answer = self._ask("POST", url, params=params, data=content, headers=headers)
        if answer.status_code == _NAME_IS_TAKEN:
            return False
        self._require_ok(answer)
        return True

    def names_from(self, prefix: str, first: str) -> list[str]:
        """As the port says, page by page."""
        url = f"{self._api}/storage/v1/b/{self._bucket}/o"
        params = {"prefix": prefix, "startOffset": first, "fields": "items(name),nextPageToken"}
        names: list[str] = []
        while True:
            answer = self._ask("GET", url, params=params)
            self._require_ok(answer)
            page = answer.json()
            names += [str(item["name"]) for item in page.get("items", ())]
            if not page.get("nextPageToken"):
                return names
            params = params | {"pageToken": str(page["nextPageToken"])}

    def read(self, name: str) -> bytes:
        """As the port says."""
        url = f"{self._api}/storage/v1/b/{self._bucket}/o/{quote(name, safe='')}"
        answer = self._ask("GET", url, params={"alt": "media"})
        self._require_ok(answer)
        return bytes(answer.content)

    def _ask(self, method: str, url: str, **given: Any) -> Any:
        from google.auth.exceptions import GoogleAuthError

        try:
            return self._opened().request(method, url, timeout=_LIMIT_S, **given)
        except (GoogleAuthError, OSError) as error:  # requests raises OSError's children
            raise ArchiveUnavailable(f"The archive's bucket did not answer: {type(error).__name__}.") from error

    def _require_ok(self, answer: Any) -> None:
        if answer.status_code != _OK:
            raise ArchiveUnavailable(f"The archive's bucket answered {answer.status_code}.")

    def _opened(self) -> Any:
        if self._session is None:
            import google.auth
            from google.auth.transport.requests import AuthorizedSession

            credentials, _ = google.auth.default(scopes=[_SCOPE])
            self._session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        return self._session
