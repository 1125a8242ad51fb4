"""How every service is served, in production and in the sandbox alike.

    gunicorn -c shared/http/gunicorn_conf.py "GCAccumulator.app:create_app()"

From the environment: PORT (8080), LISTEN_ADDRESS (all; the sandbox says 127.0.0.1), WEB_CONCURRENCY (1 process). The
service's settings are read before the port is opened; a wrong one ends the process with exit code 78.
"""

import gc
from pathlib import Path
from typing import Any

from shared.http.settings import settings_class_of
from shared.settings import load_settings_before_forking, text_from, whole_number_from

listen_address = text_from("LISTEN_ADDRESS", "0.0.0.0")  # noqa: S104 - a container's own network
bind = f"{listen_address}:{whole_number_from('PORT', 8080, most=65_535)}"
workers = whole_number_from("WEB_CONCURRENCY", 1, most=64)
worker_class = "shared.http.server.FleetWorker"
threads = 8
# Heartbeat of a worker, not the limit of a request: that is the task's dispatch deadline.
timeout = 60
# Cloud Run kills ten seconds after SIGTERM; a request that is under way gets nine of them.
graceful_timeout = 9
# Longer than the idle time of callers' connection pools, so that no call meets a connection that is just being closed.
keepalive = 75
control_socket_disable = True  # one default path for all: five services on one machine would fight for it
# Nobody in front of us is believed: the proven identity decides, never an address.
forwarded_allow_ips = ""
proxy_allow_ips = ""
limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 16_380  # an identity token of Google's is about 1,200 characters
logger_class = "shared.http.server.FleetLogger"
accesslog = None  # the service writes one line per request itself
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeat file in memory, not on a slow disk


def post_worker_init(_worker: Any) -> None:
    """What was made at the start stays: the collector need not look through it again at every thousandth request."""
    gc.collect()
    gc.freeze()


def on_starting(server: Any) -> None:
    """Read the settings in the master, before it listens: the process ends when one is wrong."""
    package = str(server.app.app_uri).partition(".")[0]
    load_settings_before_forking(settings_class_of(package))
