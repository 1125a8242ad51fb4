"""What can be wrong with deploy/terraform, each kind as a function that gives a sentence per fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from shared.alerts.kinds import ALERT_KINDS
from shared.chain.kms.client import HSM_LEVELS
from shared.db.heartbeat import SWEEP_EVERY
from shared.http.roles import SERVICE_OF_ROLE
from shared.http.settings import settings_class_of
from shared.messages import ALL_EDGES
from shared.ops.settings_table import SERVICES, settings_of
from shared.queue.cloud_tasks import DISPATCH_DEADLINE
from shared.settings import names_of
from shared.settings.source import names_to_ask
from shared.telemetry import EVENTS

from .declared import Declared
from .provider_schema import SCHEMA
from .terraform_files import ROOT

# Baked into the image with the code that it names.
IN_THE_IMAGE = {"BUILD_ID"}
EXCHANGE_CALLS_PER_MINUTE = 1_800
INVOKER = "google_cloud_run_v2_service_iam_member"
_REFERENCE = re.compile(r"\b(google_\w+)\.\w+(?:\[[^]]+\])?\.(\w+)")


def routes() -> dict[str, set[str]]:
    """The routes of every service but health and live, as deploy/openapi.json has them."""
    paths = json.loads((ROOT / "deploy" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    found: dict[str, set[str]] = {}
    for path in paths:
        _, service, route = path.split("/", 2)
        if route not in ("health", "live"):
            found.setdefault(service, set()).add(f"/{route}")
    return found


def names(declared: Declared) -> Iterator[str]:
    """Every argument and block is one of the provider's, none that is required is missing, every reference exists."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for block in declared.folder.blocks:
        if block.kind not in schema:
            yield f"{block.kind} is not in {SCHEMA.name}: misspelt, or the schema must be derived again"
            continue
        yield from _names_in(block.address, block.body, schema[block.kind]["arguments"])
        for kind, attribute in _REFERENCE.findall(json.dumps(block.body)):
            if kind not in schema or attribute not in schema[kind]["exports"]:
                yield f"{block.address} reads {kind}.{attribute}, which is not there"


def _names_in(where: str, body: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    dynamic = {name for each in body.get("dynamic", []) for name in each}
    given = {name for name in body if name not in ("for_each", "count", "depends_on", "lifecycle", "dynamic")} | dynamic
    for name in sorted(given - set(known)):
        yield f"{where} has no {name}"
    for name, described in known.items():
        need = described if isinstance(described, str) else described[0]
        if need == "required" and name not in given:
            yield f"{where} needs {name}"
    for name, written in body.items():
        described = known.get(name)
        is_block = isinstance(written, list) and any(isinstance(each, dict) for each in written)
        if isinstance(described, list) and is_block:
            for each in written:
                yield from _names_in(f"{where}.{name}", each, described[1])
        elif described is not None and isinstance(described, list) != is_block:
            yield f"{where}.{name} is {'a block' if isinstance(described, list) else 'no block'}"
    for each in body.get("dynamic", []):
        for name, written in each.items():
            if isinstance(known.get(name), list):
                yield from _names_in(f"{where}.{name}", written["content"][0], known[name][1])


def settings(declared: Declared) -> Iterator[str]:
    """Each setting of each service is mounted, a secret that it may read, or has a default; and nothing else is."""
    for service in SERVICES:
        kind = settings_class_of(service)
        names = names_of(kind)
        mounted, secrets = declared.environment(service), declared.secrets_of(service)
        asked = set(names_to_ask(kind, names, mounted))
        for name in sorted(asked - secrets):
            yield f"{service} asks for the secret {name} and may not read it"
        for name in sorted(secrets - asked):
            yield f"{service} may read the secret {name} and does not ask for it"
        for setting in settings_of(service):
            if setting.default is None and setting.name not in set(mounted) | secrets:
                yield f"{service}: {setting.name} has no default and is not given"
            if setting.default is None and setting.name in declared.local("kept_empty"):
                yield f"{service}: {setting.name} has no default and is kept empty"
        for name in sorted(set(mounted) - set(names.values())):
            yield f"{service}: {name} is mounted and not read"
        for name in sorted(name for name, value in mounted.items() if not value or value != value.strip()):
            yield f"{service}: {name} is blank or has blanks around it"
        for name in sorted(IN_THE_IMAGE & set(mounted)):
            yield f"{service}: {name} is mounted, and the image knows better"


def queues(declared: Declared) -> Iterator[str]:
    """Every edge's queue is there, its producer may put tasks there, and nobody else may put them anywhere."""
    there = {each.body["name"] for each in declared.instances("google_cloud_tasks_queue")}
    used = {edge.queue for edge in ALL_EDGES}
    yield from (f"queue {name} is used by an edge and not declared" for name in sorted(used - there))
    yield from (f"queue {name} is declared and used by no edge" for name in sorted(there - used))
    bound = declared.instances("google_cloud_tasks_queue_iam_member")
    may, look = (
        {(each.body["member"], each.body["name"]) for each in bound if each.body["role"] == f"roles/cloudtasks.{word}"}
        for word in ("enqueuer", "viewer")
    )
    if len(may) + len(look) != len(bound):
        yield "somebody has another role at a queue"
    ours = {member for role in SERVICE_OF_ROLE for member in _members(declared, role)}
    for who, queue in sorted({(who, queue) for who, queue in may if who in ours} ^ look):
        yield f"{who} may put tasks into {queue} or look at it, and not both"
    must = {(member, edge.queue) for edge in ALL_EDGES for member in _members(declared, edge.producer)}
    yield from (f"{who} may not put tasks into {queue}" for who, queue in sorted(must - may))
    yield from (f"{who} may put tasks into {queue} and no edge says so" for who, queue in sorted(may - must))
    for service in SERVICES:
        for setting in settings_of(service):
            if setting.name.endswith("_QUEUE") and setting.default not in there:
                yield f"{service}: {setting.name} names {setting.default}, which is not declared"


def retry_windows(declared: Declared) -> Iterator[str]:
    """A task is given up before its token expires, with a margin of an hour (DESIGN 4), and is repeated until then."""
    longest_s = {
        queue: min(e.max_age_s for e in ALL_EDGES if e.queue == queue) for queue in {e.queue for e in ALL_EDGES}
    }
    for each in declared.instances("google_cloud_tasks_queue"):
        (retry,) = each.body["retry_config"]
        window_s = int(retry["max_retry_duration"].removesuffix("s"))
        if window_s > longest_s.get(each.body["name"], 0) - 3600:
            yield f"{each.body['name']} repeats for {window_s} s; its tokens live {longest_s.get(each.body['name'])} s"
        if retry["max_attempts"] != -1:
            yield f"{each.body['name']} gives up after some attempts, not after its time"


def callers(declared: Declared) -> Iterator[str]:
    """Who may reach a service is who it would let in: the producers of its edges, the scheduler, operators."""
    wanted = {(SERVICE_OF_ROLE[edge.consumer], who) for edge in ALL_EDGES for who in _members(declared, edge.producer)}
    wanted |= {(service, who) for service, who in _without_an_edge(declared)}
    wanted |= {(service, f"user:{email}") for service in SERVICES for email in declared.variable("operators")}
    lower = {service.lower(): service for service in SERVICES}
    bound = {(lower[each.body["name"]], each.body["member"]) for each in declared.instances(INVOKER)}
    if declared.variable("open_intake"):
        wanted |= {("GCAccumulator", "allUsers")}
    yield from (f"{who} may not call {service}" for service, who in sorted(wanted - bound))
    yield from (f"{who} may call {service} and nothing says so" for service, who in sorted(bound - wanted))
    for each in declared.instances(INVOKER):
        if each.body["role"] != "roles/run.invoker":
            yield f"{each} gives {each.body['role']}"
    for service in SERVICES:
        environment = declared.environment(service)
        # Cloud Run takes the signature off a token that its IAM has checked; anybody can send one without.
        is_open = any(who.startswith("all") for to, who in bound if to == service)
        if (environment.get("IDENTITY_CHECKED_BY") == "cloud_run") == is_open:
            believed = environment.get("IDENTITY_CHECKED_BY")
            yield f"{service} believes {believed}, and is {'open' if is_open else 'guarded'}"
        allowed = {
            email for name, value in environment.items() if name.endswith("_CALLERS") for email in value.split(",")
        }
        reach = {who.partition(":")[2] for to, who in bound if to == service and who.startswith("serviceAccount:")}
        yield from (f"{email} reaches {service} and is on none of its lists" for email in sorted(
            reach - allowed - {environment["SERVICE_IDENTITY"]}))  # fmt: skip
        yield from (f"{service} would let {email} in, who cannot reach it" for email in sorted(allowed - reach))


def _without_an_edge(declared: Declared) -> Iterator[tuple[str, str]]:
    yield from (("GCAccumulator", who) for who in _members(declared, "upstream"))
    for service, found in routes().items():
        if found & {"/sweep", "/check-threshold"}:
            yield from ((service, who) for who in _members(declared, "scheduler"))


def jobs(declared: Declared) -> Iterator[str]:
    """Each job calls a route that is there, as an identity that is let in, with the audience that is asked for."""
    called: set[tuple[str, str]] = set()
    by_url = {declared.environment(service)["SERVICE_URL"]: service for service in SERVICES}
    for each in declared.instances("google_cloud_scheduler_job"):
        (target,), name = each.body["http_target"], each.body["name"]
        (token,) = target["oidc_token"]
        url = next((url for url in by_url if target["uri"].startswith(f"{url}/")), "")
        service, route = by_url.get(url, "nothing"), target["uri"].removeprefix(url)
        if target["http_method"] != "POST" or route not in routes().get(service, set()):
            yield f"{name} calls {target['http_method']} {target['uri']}, which no service answers"
            continue
        called.add((service, route))
        if token["audience"] != url:
            yield f"{name} names the audience {token['audience']}, not {url}"
        if token["service_account_email"] not in declared.environment(service)["SCHEDULER_CALLERS"].split(","):
            yield f"{name} calls as {token['service_account_email']}, whom {service} does not let in"
        if route == "/sweep" and each.body["schedule"] != "* * * * *":
            yield f"{name} must run every {SWEEP_EVERY}, not {each.body['schedule']}"
        if route == "/check-threshold":
            yield from _pace(declared, name, each.body["schedule"])
    timed = {(service, route) for service, found in routes().items() for route in found}
    for service, route in sorted(timed - called):
        if route in ("/sweep", "/check-threshold"):
            yield f"no job calls {route} of {service}"


def _pace(declared: Declared, name: str, schedule: str) -> Iterator[str]:
    every_s = declared.environment("GCMicroBatchProcessor")["CHECK_THRESHOLD_EVERY_S"]
    minutes = re.fullmatch(r"\*/(\d+) \* \* \* \*", schedule)
    if minutes is None or 60 * int(minutes[1]) != int(every_s):
        yield f"{name} runs at {schedule}, and the batcher waits for it every {every_s} s"


def alerts(declared: Declared) -> Iterator[str]:
    """Every policy calls somebody and names a page of the runbooks; what it waits for is something the fleet says; and
    each kind of alert that asks something of a person has one."""
    called = set(declared.local("alert_kinds"))
    asking = {kind.name for kind in ALERT_KINDS.values() if kind.severity != "notice"}
    yield from (f"nobody is called for {name}" for name in sorted(asking - called))
    counted = {each.body["name"] for each in declared.instances("google_logging_metric")}
    for each in declared.instances("google_monitoring_alert_policy"):
        link = each.body.get("documentation", [{}])[0].get("content", "")
        page = link.removeprefix(declared.variable("runbook_url") + "/")
        if page == link or not (ROOT / "deploy" / "runbooks" / page).is_file():
            yield f"{each}: there is no runbook {link!r}"
        if not each.body["notification_channels"]:
            yield f"{each} calls nobody"
        yield from _what_is_waited_for(str(each), json.dumps(each.body["conditions"]), counted)
    for name, row in declared.local("money").items():
        if not _is_logged_with(row["event"], row["field"].rpartition("_")[0]):
            yield f"{name}: no line {row['event']} tells {row['field']}"
    for each in declared.instances("google_logging_metric"):
        yield from _what_is_waited_for(str(each), each.body["filter"], counted)
    for each in declared.instances("google_monitoring_dashboard"):
        yield from _what_is_waited_for(str(each), each.body["dashboard_json"], counted)


def _is_logged_with(event: str, field: str) -> bool:
    """Whether a service logs this event with this amount; the log adds the unit to its name."""
    texts = (path.read_text(encoding="utf-8") for service in SERVICES for path in (ROOT / service).glob("*.py"))
    return any(re.search(rf'"{event}",.{{0,120}}\b{field}=', text) for text in texts)


def _what_is_waited_for(where: str, text: str, counted: set[str]) -> Iterator[str]:
    text = text.replace("\\", "")
    for event in re.findall(r'jsonPayload\.message="([^"]+)"', text):
        if event not in EVENTS:
            yield f"{where} waits for {event}, which nobody says"
    for kind in re.findall(r'jsonPayload\.kind="([^"]+)"', text):
        if kind not in ALERT_KINDS:
            yield f"{where} waits for alerts of the kind {kind}, which nobody raises"
    for metric in re.findall(r"logging\.googleapis\.com/user/([\w/]+)", text):
        if metric not in counted:
            yield f"{where} looks at {metric}, which is not counted"


def exposure(declared: Declared) -> Iterator[str]:
    """Nothing is public but intake when it is asked for; what must not be lost cannot be deleted by accident."""
    for each in declared.everything():
        for who in ("allUsers", "allAuthenticatedUsers"):
            intake_asked_for = declared.variable("open_intake") and each.body.get("name") == "gcaccumulator"
            if who in json.dumps(each.body) and not (each.block.kind == INVOKER and intake_asked_for):
                yield f"{each} is open to {who}"
    for each in declared.instances("google_sql_database_instance"):
        (body,) = each.body["settings"]
        (backup,), (network,) = body["backup_configuration"], body["ip_configuration"]
        if network["ipv4_enabled"] or network["ssl_mode"] != "ENCRYPTED_ONLY":
            yield f"{each} has a public address, or takes plain connections"
        if not (backup["enabled"] and backup["point_in_time_recovery_enabled"] and each.body["deletion_protection"]):
            yield f"{each} cannot be set back to a point in time, or can be deleted"
        if {"name": "cloudsql.iam_authentication", "value": "on"} not in body["database_flags"]:
            yield f"{each} knows no identities"
    for each in declared.instances("google_storage_bucket"):
        if each.body["public_access_prevention"] != "enforced" or not each.body["uniform_bucket_level_access"]:
            yield f"{each} could be made public"
    for each in declared.instances("google_cloud_run_v2_service"):
        if each.body.get("invoker_iam_disabled"):
            yield f"{each} asks nobody who he is"


def least_privilege(declared: Declared) -> Iterator[str]:
    """One account per service; the wallet's key for the executor alone; copies are written and never taken away."""
    checks = [each for each in declared.instances("google_cloud_run_v2_job") if each.block.name == "check"]
    services = declared.instances("google_cloud_run_v2_service") + declared.instances("google_cloud_run_v2_job")
    accounts = [json.dumps(each.body["template"], sort_keys=True) for each in services if each not in checks]
    who = [re.findall(r'"service_account": "([^"]+)"', text)[0] for text in accounts]
    if len(set(who)) != len(who):
        yield f"two services share an account: {who}"
    executor = f"serviceAccount:{declared.local('emails')['executor']}"
    for each in declared.instances("google_kms_crypto_key_iam_member"):
        if (each.body["member"], each.body["role"]) != (executor, "roles/cloudkms.signerVerifier"):
            yield f"{each}: {each.body['member']} may use the wallet's key with {each.body['role']}"
    for each in declared.instances("google_kms_crypto_key"):
        (version,) = each.body["version_template"]
        if version != {"algorithm": "EC_SIGN_SECP256K1_SHA256", "protection_level": "HSM"} or not HSM_LEVELS:
            yield f"{each} is not a key that cannot leave the HSM"
    for each in declared.instances("google_storage_bucket_iam_member"):
        reads_only = each.body["role"] == "roles/storage.objectViewer"
        if not reads_only and (each.body["member"], each.body["role"]) != (executor, "roles/storage.objectCreator"):
            yield f"{each}: {each.body['member']} gets {each.body['role']}"
    written_down = {
        (each.body["project"], each.body["service"])
        for each in declared.instances("google_project_iam_audit_config")
        if {"log_type": "DATA_READ"} in each.body["audit_log_config"]
    }
    key = (declared.variable("wallet_project_id"), "cloudkms.googleapis.com")
    if not {key, (declared.variable("project_id"), "secretmanager.googleapis.com")} <= written_down:
        yield "nobody writes down who uses the wallet's key, or who reads a secret"
    for each in declared.instances("google_project_iam_member"):
        if each.body["role"] not in ("roles/cloudsql.client", "roles/cloudsql.instanceUser"):
            yield f"{each} gives {each.body['role']} on everything"


def size(declared: Declared) -> Iterator[str]:
    """What one service takes of a shared thing, times its instances, fits."""
    services = {each.key: each for each in declared.instances("google_cloud_run_v2_service")}
    calls, connections = 0, 0
    for service in SERVICES:
        default = {each.name: each.default for each in settings_of(service)}
        (template,) = services[service].body["template"]
        most = template["scaling"][0]["max_instance_count"]
        calls += most * int(default.get("CHANGENOW_CALLS_PER_MINUTE") or 0)
        connections += most * int(default.get("DATABASE_POOL_SIZE") or 0)
        if template["max_instance_request_concurrency"] != _gunicorn_threads():
            yield f"{service} is sent more at once than it has threads, or less"
        if float(template["timeout"].removesuffix("s")) <= DISPATCH_DEADLINE.total_seconds():
            yield f"{service} is cut off before its queue gives up"
    if calls > EXCHANGE_CALLS_PER_MINUTE:
        yield f"all instances may ask the exchange {calls} times a minute, of {EXCHANGE_CALLS_PER_MINUTE} at most"
    flags = declared.instances("google_sql_database_instance")[0].body["settings"][0]["database_flags"]
    there = next(int(flag["value"]) for flag in flags if flag["name"] == "max_connections")
    if 2 * connections > there - 20:
        yield f"a rollout may need {2 * connections} connections of {there}"


def projects(declared: Declared) -> Iterator[str]:
    """No project's id is typed in: all that would be made lies in the projects that the variables name."""
    ours = {declared.variable("project_id"), declared.variable("wallet_project_id")}
    known = ours | {email.partition("@")[2].partition(".")[0] for email in declared.variable("upstream_callers")}
    for each in declared.everything():
        text = json.dumps(each.body)
        found = re.findall(r"projects/([\w-]+)/", text)
        found += re.findall(r"@([\w-]+)\.iam(?:\.gserviceaccount\.com)?\b", text)
        found += re.findall(r"-docker\.pkg\.dev/([\w-]+)/", text)
        found += [each.body["project"]] if "project" in each.body else []
        yield from (f"{each} belongs to the project {name}" for name in sorted(set(found) - known))


def _members(declared: Declared, role: str) -> list[str]:
    return [f"serviceAccount:{email}" for email in declared.local("identities")[role]]


def _gunicorn_threads() -> int:
    text = (ROOT / "shared" / "http" / "gunicorn_conf.py").read_text(encoding="utf-8")
    found = re.search(r"^threads = (\d+)$", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


ALL_KINDS = (
    names, settings, queues, retry_windows, callers, jobs, alerts, exposure, least_privilege, size, projects,
)  # fmt: skip
