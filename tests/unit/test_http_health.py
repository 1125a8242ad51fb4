"""/health and /live: true, quick, quiet, and cheap for the dependencies."""

import threading
import time

import pytest
from structlog.testing import capture_logs

from shared.http.health import Component, Health
from tests.unit.http_world import NOW, Service


class Dependency:
    """Something that a service depends on."""

    def __init__(self, answer: bool | Exception | None = True) -> None:
        self.answer = answer
        self.asked = 0
        self.hold: threading.Event | None = None

    def check(self) -> bool | None:
        self.asked += 1
        if self.hold is not None:
            self.hold.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_healthy_service_says_so() -> None:
    service = Service(components=[Component("database", lambda: True)])
    response = service.client.get("/health")
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "healthy",
        "service": "GCHostPay1",
        "timestamp": NOW.isoformat(timespec="milliseconds"),
        "version": "build-7",
        "components": {"database": "healthy"},
    }


@pytest.mark.parametrize(
    ("answer", "word"), [(False, "unhealthy"), (None, "unknown"), (OSError("10.0.0.7 is away"), "unhealthy")]
)
def test_without_a_vital_component_the_service_is_unable_and_says_no_more(
    answer: bool | Exception | None, word: str
) -> None:
    service = Service(components=[Component("database", Dependency(answer).check), Component("exchange", lambda: True)])
    response = service.client.get("/health")
    assert response.status_code == 503
    assert response.get_json()["status"] == "unhealthy"
    assert response.get_json()["components"] == {"database": word, "exchange": "healthy"}
    assert "10.0.0.7" not in response.get_data(as_text=True)


def test_a_component_that_is_not_vital_does_not_make_the_service_unable() -> None:
    service = Service(components=[Component("exchange", lambda: False, vital=False)])
    response = service.client.get("/health")
    assert (response.status_code, response.get_json()["status"]) == (200, "healthy")
    assert response.get_json()["components"] == {"exchange": "unhealthy"}


def test_live_answers_whatever_the_dependencies_do() -> None:
    service = Service(components=[Component("database", lambda: False)])
    response = service.client.get("/live")
    assert (response.status_code, response.get_json()["status"]) == (200, "alive")


def test_a_flood_of_health_calls_costs_one_check() -> None:
    database, clock = Dependency(), Clock()
    health = Health([Component("database", database.check)], clock)
    for _ in range(100):
        health.report()
    assert database.asked == 1
    clock.now_s += 1.6
    health.report()
    assert database.asked == 2


def test_concurrent_health_calls_share_one_check() -> None:
    database = Dependency()
    database.hold = threading.Event()
    health = Health([Component("database", database.check)])
    callers = [threading.Thread(target=health.report) for _ in range(8)]
    for caller in callers:
        caller.start()
    while database.asked == 0:
        time.sleep(0.005)
    database.hold.set()
    for caller in callers:
        caller.join()
    assert database.asked == 1


def test_while_somebody_looks_the_others_hear_the_former_words_at_once() -> None:
    database, clock = Dependency(), Clock()
    health = Health([Component("database", database.check)], clock)
    health.report()
    database.hold, database.answer = threading.Event(), False
    clock.now_s += 5
    looking = threading.Thread(target=health.report)
    looking.start()
    while database.asked < 2:
        time.sleep(0.005)
    assert health.report().components == {"database": "healthy"}
    database.hold.set()
    looking.join()
    assert health.report().components == {"database": "unhealthy"}


def test_a_check_that_hangs_is_unknown_and_is_not_started_again() -> None:
    database, clock = Dependency(), Clock()
    database.hold = threading.Event()
    components = [Component("database", database.check), Component("exchange", lambda: True)]
    health = Health(components, clock, limit_s=0.3)
    began = time.monotonic()
    assert health.report().components == {"database": "unknown", "exchange": "healthy"}
    assert time.monotonic() - began < 6
    clock.now_s += 10
    health.report()
    assert database.asked == 1
    database.hold.set()
    clock.now_s += 10
    time.sleep(0.05)
    assert health.report().components["database"] == "healthy"


def test_a_change_of_health_is_told_once_with_the_kind_of_error() -> None:
    database, clock = Dependency(OSError("10.0.0.7 is away")), Clock()
    health = Health([Component("database", database.check)], clock)
    with capture_logs() as lines:
        for answer in (database.answer, database.answer, True, True):
            database.answer = answer
            clock.now_s += 5
            health.report()
    assert [(line["event"], line["component"], line.get("reason")) for line in lines] == [
        ("component_failed", "database", "OSError"),
        ("component_recovered", "database", None),
    ]
