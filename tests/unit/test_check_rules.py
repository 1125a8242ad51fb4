"""Each of the project's own rules finds a planted fault, and leaves the right way of saying it alone."""

# ruff: noqa: E501 - one planted fault per line

import hashlib

import pytest

from shared.sandbox.check import RULES, Checkout, no_foreign_ids

# rule, path, what must be found, what must not. A ~ is taken out first: this file must not itself hold what is planted.
PLANTED: list[tuple[str, str, str, str]] = [
    ("no_float_near_money", "shared/money/x.py", "tenth = 0.1", "tenth = 1"),
    ("no_float_near_money", "shared/money/x.py", "half = total / 2", "half = total // 2"),
    ("no_float_near_money", "shared/books/x.py", "n = float(text)", "n = int(text)"),
    ("no_float_near_money", "shared/lifecycle/x.py", "def f(wait_s: float) -> None: ...", "def f(wait_s: int) -> None: ..."),
    ("no_float_near_money", "GCHostPay3/x.py", "def f(price: float) -> None: ...", "def f(timeout_s: float = 0.5) -> None: ..."),
    ("no_float_near_money", "shared/chain/x.py", "x: float | None = None", "wait_s: float | None = 1.5"),
    ("no_float_near_money", "shared/exchange/x.py", "x = dict(rate=1.5)", "x = dict(timeout_s=1.5)"),
    ("no_float_near_money", "shared/money/x.py", "x = [float]", "isinstance(x, float)"),
    ("pure_rooms", "shared/lifecycle/x.py", "import time", "from datetime import datetime"),
    ("pure_rooms", "shared/money/x.py", "from os import environ", "from decimal import Decimal"),
    ("pure_rooms", "shared/messages/x.py", "import random", "import hmac"),
    ("pure_rooms", "shared/lifecycle/x.py", "t = datetime.now(UTC)", "t = datetime.fromtimestamp(0, UTC)"),
    ("pure_rooms", "shared/lifecycle/x.py", "u = uuid4()", "u = UUID(int=1)"),
    ("pure_rooms", "shared/money/x.py", "import pydantic", "import shared.money"),
    ("event_names", "GCHostPay1/x.py", 'log.info(f"sent {x}")', 'log.info("attempt_sent", hash=x)'),
    ("event_names", "GCHostPay1/x.py", 'log.info("sent %s" % x)', "log.info(step.event)"),
    ("event_names", "GCHostPay1/x.py", 'self._log.info("sent {}".format(x))', 'other.info(f"{x}")'),
    ("event_names", "GCHostPay1/x.py", 'get.logger.error("a_word_nobody_listed")', 'console.print("a_word")'),
    ("commit_in_one_room", "GCHostPay1/x.py", "conn.commit()", "db.transaction()"),
    ("commit_in_one_room", "shared/queue/x.py", "conn.rollback()", "rollback = 1"),
    ("catch_all_in_one_room", "shared/queue/x.py", "try: f()\nexcept Exception: pass", "try: f()\nexcept OSError: pass"),
    ("catch_all_in_one_room", "shared/queue/x.py", "try: f()\nexcept: pass", "try: f()\nexcept BaseException:\n  g()\n  raise"),
    ("catch_all_in_one_room", "shared/queue/x.py", "try: f()\nexcept (OSError, BaseException): pass", "try: f()\nfinally: g()"),
    ("sql_takes_the_time", "GCHostPay1/store.sql", "UPDATE x SET at = now();", "UPDATE x SET at = :now; -- never now()"),
    ("sql_takes_the_time", "migrations/0002_pre_x.sql", "at timestamptz DEFAULT CURRENT_TIMESTAMP", "at timestamptz NOT NULL"),
    ("sql_is_bound", "GCHostPay1/x.py", 'conn.run(f"select {x}")', 'conn.run("select :x", x=x)'),
    ("sql_is_bound", "shared/queue/x.py", 'self._conn.all("select " + x)', 'names.all("a " + x)'),
    ("sql_is_bound", "shared/ops/x.py", 'conn.script("drop table {}".format(x))', "conn.fetch_all(QUERIES.late, now=now)"),
    ("sql_is_bound", "shared/books/x.py", 'conn.one("select %s" % x)', 'conn.one("select a " "from b")'),
    ("sql_is_bound", "shared/ops/x.py", 'sql = f"select a from {table}"', 'told = f"select one of {names}"'),
    ("sql_is_bound", "GCHostPay3/x.py", 'sql = "delete from x where id = " + x', 'told = "select " + x'),
    ("macs_in_constant_time", "shared/http/x.py", "if mac == told: f()", "if hmac.compare_digest(mac, told): f()"),
    ("macs_in_constant_time", "shared/http/x.py", "ok = given.signature != made", "ok = signature is None"),
    ("macs_in_constant_time", "shared/messages/x.py", "import hmac\nok = x == hmac.new(k, b, h).digest()", "ok = x == sha256(b).digest()"),
    ("macs_in_constant_time", "GCHostPay3/x.py", "ok = key.get_secret_value() in known", 'ok = api_key != ""'),
    ("libraries_have_a_room", "GCHostPay3/x.py", "from web3 import Web3", "from shared.chain import Chain"),
    ("libraries_have_a_room", "shared/http/x.py", "import requests", "import requests_like_name"),
    ("libraries_have_a_room", "shared/books/x.py", "import pg8000.dbapi", "import shared.db"),
    ("libraries_have_a_room", "GCHostPay1/x.py", "from google.cloud import tasks_v2", "from shared.queue import Outbox"),
    ("libraries_have_a_room", "shared/db/x.py", "import flask", "import pg8000"),
    ("amounts_name_their_unit", "GCHostPay3/x.py", "def pay(amount: int) -> None: ...", "def pay(amount_wei: int) -> None: ..."),
    ("amounts_name_their_unit", "shared/chain/x.py", "class X:\n  fee: int | None", "class X:\n  fee: Ether | None"),
    ("amounts_name_their_unit", "shared/books/x.py", "total_amount: int = 0", "total_usdt_units: int = 0"),
    ("file_names", "shared/db/connection_manager.py", "", ""),
    ("file_names", "shared/utils/x.py", "", ""),
    ("file_names", "GCHostPay1/base.py", "", ""),
    ("no_unfinished_words", "GCHostPay1/x.py", "x = 1  # TO~DO later", "x = 1  # todo list of the batcher"),
    ("no_unfinished_words", "GCHostPay1/x.py", "raise NotImplemented~Error", "raise Broken('x')"),
    ("no_addresses", "requirements.lock", "-i https://mirror.invalid/simple", "flask==3 --hash=sha256:00"),
    ("no_addresses", "pyproject.toml", "--in~dex-url = x", "--no-emit-in~dex-url"),
    ("no_addresses", "deploy/Dockerfile", "RUN pip install --extra-in~dex-url x", "RUN pip install -r requirements.lock"),
    ("no_addresses", "README.md", "get it from py~pi.org", "get it with ./gcpay"),
    ("no_addresses", "uv.lock", "", ""),
    ("no_foreign_ids", "README.md", "-----BEGIN RSA PRIVATE~ KEY-----", "-----BEGIN PUBLIC KEY-----"),
    ("no_foreign_ids", "GCHostPay3/x.py", "PRIVATE_KEY = '0x" + "ab" * 32 + "'", "TX_HASH = '0x" + "ab" * 32 + "'"),
    ("file_length", "shared/db/x.py", "x = 1\n" * 401, "x = 1\n" * 400),
    ("sandbox_is_loaded_late", "shared/ops/x.py", "import shared.sandbox.demo", "def f():\n  import shared.sandbox.demo"),
    ("sandbox_is_loaded_late", "shared/db/x.py", "def f():\n  from shared import sandbox", "from shared import db"),
    ("packages_say_what_they_are", "shared/db/__init__.py", "x = 1", '"""The database."""'),
]  # fmt: skip


def findings(rule: str, path: str, text: str) -> list[str]:
    return [str(found) for found in RULES[rule].find(Checkout.of({path: text.replace("~", "")}))]


@pytest.mark.parametrize(("rule", "path", "fault", "_right"), PLANTED)
def test_a_planted_fault_is_found_at_its_place(rule: str, path: str, fault: str, _right: str) -> None:
    found = findings(rule, path, fault)

    assert found
    assert all(each.startswith(f"{path}:") and f": {rule}: " in each for each in found)


@pytest.mark.parametrize(("rule", "path", "_fault", "right"), [row for row in PLANTED if row[3]])
def test_the_right_way_of_saying_it_is_left_alone(rule: str, path: str, _fault: str, right: str) -> None:
    assert findings(rule, path, right) == []


def test_every_rule_has_a_planted_fault_and_says_why_it_exists() -> None:
    assert {row[0] for row in PLANTED} == set(RULES)
    assert all(module.__doc__ for module in RULES.values())


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        ("catch_all_in_one_room", "shared/http/x.py", "try: f()\nexcept Exception: pass"),
        ("commit_in_one_room", "shared/db/x.py", "conn.commit()"),
        ("libraries_have_a_room", "shared/sandbox/x.py", "import web3, requests"),
        ("no_foreign_ids", "shared/sandbox/x.py", "private_key = '0x" + "ab" * 32 + "'"),
    ],
)
def test_the_room_that_may_do_it_may_do_it(rule: str, path: str, text: str) -> None:
    assert findings(rule, path, text) == []


def test_a_folder_of_python_files_without_an_init_is_named() -> None:
    found = list(RULES["packages_say_what_they_are"].find(Checkout.of({"shared/db/x.py": "x = 1"})))

    assert [(each.path, each.reason) for each in found] == [
        ("shared/db", "a folder of Python files without __init__.py")
    ]


@pytest.mark.parametrize("line", ["project: example-999999", "sa: 999999999999-compute@example.invalid"])
def test_an_id_of_the_replaced_system_is_found_by_its_hash(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    foreign = {hashlib.sha256(each.encode()).hexdigest() for each in ("example-999999", "999999999999")}
    assert findings("no_foreign_ids", "deploy/x.yaml", line) == []

    monkeypatch.setattr(no_foreign_ids, "FOREIGN", foreign)

    assert len(findings("no_foreign_ids", "deploy/x.yaml", line)) == 1
