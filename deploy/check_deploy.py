"""The deploy gate: does the commit that was deployed run, everywhere, and nothing else?

    python deploy/check_deploy.py --project PROJECT --commit "$(git rev-parse HEAD)"
    python deploy/check_deploy.py --project PROJECT --commit "$(git rev-parse HEAD)" --dry-run

Asks Cloud Run, through gcloud, which services there are in any region, and compares them with the five that are
declared; wants all traffic on the newest revision of each; and asks each one's /health, with the caller's identity,
which commit it was built from. Leaves with 0 when all is as declared, 1 when not, 2 when it refuses to look: it never
looks at, and so never praises, another project than gcloud's active one. Needs nothing but Python and gcloud, and
changes nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

SERVICES = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3")
LIST = ("run", "services", "list", "--format=json")
_OK, _NO, _REFUSED = 0, 1, 2
_HEALTH_S = 30


class CannotLook(Exception):
    """gcloud is missing, or did not answer; the message says what it said."""


def main(arguments: list[str]) -> int:
    """Look, tell one line per service or fault, give the exit code."""
    wanted = _options(arguments)
    try:
        active = _gcloud("config", "get-value", "project")
        if active != wanted.project:
            _tell(f"refused: gcloud's active project is {active or 'none'}, and {wanted.project} is declared")
            return _REFUSED
        if wanted.dry_run:
            _tell(f"would run: gcloud {' '.join(LIST)} --project={wanted.project}")
            for service in SERVICES:
                _tell(f"would ask: GET <url of {service.lower()}>/health for version {wanted.commit}")
            return _OK
        found = json.loads(_gcloud(*LIST, f"--project={wanted.project}"))
        faults = [*_strangers(found), *_faults_of_services(found, wanted.commit)]
    except CannotLook as trouble:
        _tell(f"refused: {trouble}")
        return _REFUSED
    for fault in faults:
        _tell(f"NO  {fault}")
    _tell(
        f"{len(faults)} faults"
        if faults
        else f"ok  all {len(SERVICES)} services run {wanted.commit}, and nothing else runs"
    )
    return _NO if faults else _OK


def _strangers(found: list[dict[str, Any]]) -> Iterator[str]:
    """What runs and is not declared, or runs twice: an old deployment in another region answers just as well."""
    declared = {service.lower() for service in SERVICES}
    names = [each["metadata"]["name"] for each in found]
    for each in found:
        name = each["metadata"]["name"]
        where = each["metadata"].get("labels", {}).get("cloud.googleapis.com/location", "somewhere")
        if name not in declared:
            yield f"{name} runs in {where} and is not declared"
        elif names.count(name) > 1:
            yield f"{name} runs in {where} and elsewhere as well"


def _faults_of_services(found: list[dict[str, Any]], commit: str) -> Iterator[str]:
    token = _gcloud("auth", "print-identity-token")
    by_name = {each["metadata"]["name"]: each for each in found}
    for service in SERVICES:
        running = by_name.get(service.lower())
        if running is None:
            yield f"{service} is declared and does not run"
            continue
        status = running["status"]
        traffic = {each.get("revisionName"): each.get("percent", 0) for each in status.get("traffic", [])}
        if traffic.get(status.get("latestCreatedRevisionName")) != 100:
            yield f"{service}: not all traffic is on {status.get('latestCreatedRevisionName')}, but {traffic}"
        yield from _faults_of_health(service, status["url"], token, commit)


def _faults_of_health(service: str, url: str, token: str, commit: str) -> Iterator[str]:
    try:
        code, health = _health(url, token)
    except (OSError, ValueError) as trouble:
        yield f"{service} does not answer at {url}: {trouble}"
        return
    if health.get("service") != service:
        yield f"{service}: at {url} answers {health.get('service', 'something else')}"
    if health.get("version") != commit:
        yield f"{service} runs {health.get('version', 'nothing that says its version')}, not {commit}"
    if code != 200:
        ill = [name for name, word in health.get("components", {}).items() if word != "healthy"]
        yield f"{service} answers {code}; not healthy: {', '.join(ill) or 'it does not say what'}"


def _health(url: str, token: str) -> tuple[int, dict[str, Any]]:
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise ValueError("an identity is sent over https only")
    request = urllib.request.Request(f"{url}/health", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_HEALTH_S) as answer:  # noqa: S310 - looked at above
            return int(answer.status), _object(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, _object(refusal.read())


def _object(text: bytes) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _gcloud(*words: str) -> str:
    try:
        done = subprocess.run(["gcloud", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as missing:
        raise CannotLook(f"gcloud cannot be run: {missing.strerror}") from missing
    if done.returncode != 0:
        raise CannotLook(f"gcloud {' '.join(words[:3])} said: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python deploy/check_deploy.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", required=True, help="the declared project; gcloud's active one must be the same")
    parser.add_argument("--commit", required=True, help="what must run: the BUILD_ID that the image was made with")
    parser.add_argument("--dry-run", action="store_true", help="say what would be asked, ask nothing")
    return parser.parse_args(arguments)


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
