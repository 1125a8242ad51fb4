"""One start of the fleet: every process after those that it needs, and as much as possible side by side.

Two cores have to import some twelve processes' modules; nothing waits for what it does not need.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shared.db import Database, plain
from shared.sandbox import identity, scheduler, secrets, tasks
from shared.sandbox.chain import HOST_WALLET, Chain
from shared.sandbox.fleet import vault
from shared.sandbox.fleet.environment import (
    API_KEY,
    DATABASE_NAME,
    LOCATION,
    PROJECT,
    REPOSITORY,
    World,
    process_environment,
    service_command,
)
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.fleet.prepare import prepare_database
from shared.sandbox.fleet.queues import write_queues
from shared.sandbox.lifetime import guarded
from shared.sandbox.loopback import call_json
from shared.sandbox.postgres import EmbeddedPostgres
from shared.sandbox.postgres_proxy import PostgresProxy
from shared.sandbox.processes import Process, ProcessGroup, undisturbed
from shared.sandbox.scheduler import Job

if TYPE_CHECKING:
    from shared.sandbox.chain.deploy import Deployment

CHECK_JOB = "micro-batch-conversion-job"
_SWEPT = {"GCMicroBatchProcessor": "batcher-sweep", "GCHostPay1": "conductor-sweep", "GCHostPay3": "executor-sweep"}
_SWEEP_EVERY_S = 300
_AT_WORK = ("scheduler", "tasks", *SERVICES)
_HEALTH_S = 20.0
_READY_S = 60.0


@dataclass
class Start:
    """Starts what `options` ask for. Everything is stopped by `stack`, also when the start is broken off half-way."""

    options: FleetOptions
    stack: ExitStack
    on_progress: Callable[[str], None]
    processes: dict[str, Process] = field(default_factory=dict)
    postgres: EmbeddedPostgres | None = None
    database_proxy: PostgresProxy | None = None

    def run(self) -> World:
        """Start all and wait until everything answers. Raises StartFailed, PostgresFailed or AnvilUnavailable."""
        pool = ThreadPoolExecutor(2)
        try:
            with pool:
                return self._run(pool)
        except BaseException:
            with undisturbed():
                pool.shutdown()  # what its threads have started is on the stack by then
                self.stop_the_work()
                self.stack.close()
            raise

    def stop_the_work(self) -> None:
        """Stop what makes work, side by side, while the database and the chain that it may be using still answer."""
        at_work = [process for name, process in self.processes.items() if name in _AT_WORK]
        for process in at_work:
            process.popen.terminate()
        for process in at_work:
            process.stop()

    def stop_services(self) -> None:
        """Stop the five services, side by side; everything around them goes on."""
        services = [self.processes[name] for name in SERVICES]
        for process in services:
            process.popen.terminate()
        for process in services:
            process.stop()

    def start_services(self, world: World) -> None:
        """Start the five services again; returns when they are healthy. Raises StartFailed."""
        for name in SERVICES:
            self._spawn_service(name, world)
        for name in SERVICES:
            self.processes[name].wait_ready(_READY_S)

    def start_again(self, name: str, world: World) -> None:
        """Start a service, or the task service, whose process has ended. Returns at once, before it answers."""
        self._group.end(self.processes[name])
        if name in SERVICES:
            self._spawn_service(name, world)
        else:
            self._spawn("tasks", self._tasks_command())

    def _run(self, pool: ThreadPoolExecutor) -> World:
        self._group = self.stack.enter_context(ProcessGroup())
        chain = pool.submit(self._start_chain)
        postgres = pool.submit(self._start_postgres)
        # Its keys are made now; what it says of the chain follows when there is one.
        before = World(self.options, "", "")
        values = {secrets.VALUES_VARIABLE: json.dumps(vault.secrets_of(before))}
        self._spawn("secrets", secrets.command(vault.PROJECT, self.options.ports.secrets), process_environment(values))
        self._spawn("identity", identity.command(self.options.ports.identity))
        self._spawn("tasks", self._tasks_command())
        deployed = chain.result()
        world = replace(before, usdt_address=deployed.usdt_address, feed_address=deployed.feed_address)
        self._spawn("exchange", self._exchange_command(world))
        for name in SERVICES:
            self._spawn_service(name, world)
        self._spawn("scheduler", self._scheduler_command(world))
        postgres.result()
        for process in list(self.processes.values()):
            process.wait_ready(_READY_S)
            self.on_progress(process.name)
        return world

    def _start_chain(self) -> Deployment:
        from shared.sandbox.chain.deploy import deploy, set_balance

        ports = self.options.ports
        anvil = Chain.start(ports.chain, log=self._log("chain"))
        self.stack.callback(anvil.stop)
        endpoint = [sys.executable, "-m", "shared.sandbox.chain.endpoint", "--upstream", anvil.url]
        self._spawn("chain_second", [*endpoint, "--port", str(ports.chain_second)])
        deployed = deploy(anvil.url)
        set_balance(anvil.url, HOST_WALLET.address, self.options.wallet.wei)
        self.on_progress("chain")
        return deployed

    def _start_postgres(self) -> None:
        postgres = self.postgres = EmbeddedPostgres.start(port=self.options.ports.postgres)
        self.stack.callback(postgres.stop)
        if self.options.proxied_database:
            self.database_proxy = PostgresProxy(postgres.port, self.options.ports.postgres_proxy)
            self.stack.enter_context(self.database_proxy)
        prepare_database(postgres, self.options.wallet)
        self.on_progress("postgres")

    def database(self, role: str) -> Database:
        """The fleet's database as `role` sees it."""
        port = self.options.ports.postgres
        return Database(plain(host="127.0.0.1", port=port, database=DATABASE_NAME, user=role), pool_size=4)

    def _tasks_command(self) -> list[str]:
        ports, queues = self.options.ports, self.options.logs / "queues.json"
        write_queues(queues)
        return tasks.command(
            ports.url("identity"),
            f"projects/{PROJECT}/locations/{LOCATION}",
            queues_file=queues,
            port=ports.tasks,
            control_port=ports.tasks_control,
            log=self._log("tasks", ".jsonl"),
            time_scale=self.options.time_scale,
        )

    def _scheduler_command(self, world: World) -> list[str]:
        """The predecessor's job, and the sweeps: all at the fleet's own pace."""
        ports = self.options.ports
        check = Job(CHECK_JOB, ports.url("GCMicroBatchProcessor") + "/check-threshold", self.options.tick_every_s)
        sweeps = [Job(name, ports.url(service) + "/sweep", _SWEEP_EVERY_S) for service, name in _SWEPT.items()]
        return scheduler.command(
            [check, *sweeps],
            ports.url("identity"),
            world.identities.scheduler,
            port=ports.scheduler,
            time_scale=self.options.time_scale,
            first_delay_s=5.0,
            log=self._log("scheduler", ".jsonl"),
        )

    def _exchange_command(self, world: World) -> list[str]:
        """One price sets the exchange's quotes and the price feed; the feed is kept fresh."""
        options = self.options
        command = [sys.executable, "-m", "shared.sandbox.exchange", "--port", str(options.ports.exchange)]
        command += ["--rpc", options.ports.url("chain"), "--usdt", world.usdt_address, "--feed", world.feed_address]
        command += ["--api-key", API_KEY, "--time-scale", str(options.time_scale)]
        command += ["--log", str(self._log("exchange", ".jsonl"))]
        if options.exchange_pays is not None:
            # Only orders that pay to the host wallet: an instant payout must not use up the batch's price.
            pays = options.exchange_pays.decimal_text()
            command += ["--first-payout-usdt", pays, "--first-payout-to", HOST_WALLET.address]
        return command

    def _spawn_service(self, name: str, world: World) -> None:
        url = self.options.ports.url(name)
        # gunicorn cannot watch its parent, so a small process does it in its place.
        endpoint = f"127.0.0.1:{self.options.ports.secrets}"
        environment = vault.without_its_secrets(world.service(name), endpoint)
        self._spawn(name, guarded(service_command(name)), environment, lambda: health_of(url) == "healthy")

    def _spawn(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str] | None = None,
        ready_when: Callable[[], bool] | None = None,
    ) -> None:
        environment = environment or process_environment()
        self.processes[name] = self._group.spawn(
            name, command, environment, self._log(name), ready_when, cwd=REPOSITORY
        )

    def _log(self, name: str, suffix: str = ".log") -> Path:
        return self.options.logs / f"{name}{suffix}"


def health_of(url: str) -> str:
    """What a service says of itself: "healthy", "unhealthy", or "no answer"."""
    try:
        return str(call_json("GET", f"{url}/health", timeout_s=_HEALTH_S).body.get("status", "no answer"))
    except (OSError, ValueError):
        return "no answer"
