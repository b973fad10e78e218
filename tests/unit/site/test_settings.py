"""A bad setting is named, with what to write instead, by a real `manage.py check` with that environment."""

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from proppy.environment import POSTGRESQL, database, mail
from proppy.strict_values import allowed_hosts, boolean, listen_host, number, web_address
from tests.support.child import BASE_DIR, BIN, bare_env
from tests.support.ports import free_port
from tests.support.processes import settings_env
from tests.support.warm_python import run_python


def run(folder: Path, *arguments: str, **changed: str) -> str:
    env = bare_env(folder) | settings_env(folder) | changed
    done = run_python(arguments, env=env)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def check(folder: Path, *arguments: str, command: str = "check", **changed: str) -> str:
    return run(folder, "manage.py", command, *arguments, **changed)


#: What checks find: several wrong settings are found by one check. STATE_DIR, JOURNAL_URL … may be wrong in two ways.
FOUND: Final = [
    {
        "SECRET_KEY": ("", "secrets.token_urlsafe(50)"),
        "SQLITE_SYNCHRONOUS": ("FUL", "Write FULL"),
        "JOURNAL_URL": ("redis://", "journald://NAMESPACE"),
        "TRUSTED_PROXIES": ("nginx", '["127.0.0.1", "10.0.0.0/8"]'),
        "ALERT_LOG_UNITS": ("proppy-web@1.service,nginx", "whole names of units"),
        "DEFAULT_FROM_EMAIL": ("proppy at example.org", "<proppy@example.org>"),
        "METRICS_URL": ("statsd://localhost:port", "statsd://host:port"),
        "SLACK_TOKEN": ("my-token", "xoxb-"),
        "TEXT_JOURNAL_URL": ("journald://bad name", "journald://NAMESPACE"),
    },
    {"JOURNAL_URL": ("file://var/journal", "write file:// and an absolute path")},
    {"STATE_DIR": ("/proc/nowhere", "a folder that this user owns")},
]


@pytest.mark.parametrize("wrong", FOUND)
def test_checks_name_them_and_say_what_to_write(tmp_path: Path, wrong: dict[str, tuple[str, str]]) -> None:
    found = check(tmp_path, **{name: value for name, (value, _) in wrong.items()}).split("\n?: ")
    for name, (_, advice) in wrong.items():
        assert any(name in each and advice in each for each in found), f"{name}: {found}"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("DATABASE_URL", "redis://localhost", "postgres://user:password@host/name"),
        ("SECRET_KEY_FILE", "/nowhere/at/all", "set SECRET_KEY itself"),
        ("SLACK_TOKEN_FILE", "/", "set SLACK_TOKEN itself"),
    ],
)
def test_settings_that_cannot_be_read_are_named_too(tmp_path: Path, name: str, value: str, advice: str) -> None:
    said = check(tmp_path, **{name: value})
    assert name in said
    assert advice in said


#: Each is read by itself, in one process: variable, value, what its one line says besides the name.
REFUSED: Final = [
    ("DEBUG", "perhaps", "'perhaps': write true or false"),
    ("DEBUG", "2", "write true or false"),
    ("RATE_LIMITS", "ture", "'ture': write true or false"),
    ("RAW_MAX_BODY_BYTES", "10M", "of 1 or more, such as 10485760"),
    ("RAW_MAX_BODY_BYTES", "0", "of 1 or more"),
    ("RAW_MAX_BODY_BYTES", "-1", "of 1 or more"),
    ("RAW_MAX_BODY_BYTES", "1_000", "of 1 or more"),
    ("RAW_MAX_BODY_BYTES", "9" * 5000, "of 1 or more"),
    ("ALLOWED_HOSTS", "example.org,https://example.org", "'https://example.org': write names alone"),
    ("ALLOWED_HOSTS", "example.org:8000", "without https:// and port"),
    ("ALLOWED_HOSTS", "example.org www.example.org", "such as www.example.org,.example.com"),
    ("ALLOWED_HOSTS", "*.example.org", ".example.com"),
    ("ALLOWED_HOSTS", "[::1", "[::1]"),
    ("S3_ENDPOINT_URL", "localhost:9000", "https://"),
    ("S3_ENDPOINT_URL", "http://[::1", "https://"),
    ("S3_ENDPOINT_URL", "http://localhost:port", "https://"),
    ("SLACK_API_URL", "slack.example.org", "https://"),
    ("SLACK_API_URL", "https://", "https://host/path"),
    ("SLACK_API_URL", "https://slack.example.org/a b", "https://host/path"),
    ("SITE_URL", "shop.example.org", "https://host/path"),
    ("HEARTBEAT_URL", "hc-ping.com/x", "https://host/path"),
    ("DATABASE_URL", "postgres://host", "postgres://user:password@host/name"),
    ("DATABASE_URL", "postgres://host/name?connect_timeout=5s", "connect_timeout is '5s': write a whole number"),
    ("DATABASE_URL", "postgres://host/name?keepalives=yes", "keepalives is 'yes'"),
    ("DATABASE_URL", "postgres://host/name?sslmod=require", '"sslmod": write options of libpq'),
    ("EMAIL_URL", "smtp://mail.example.org:port", "write smtp+tls://"),
    ("EMAIL_URL", "smtp+tls://user:password@", "write smtp+tls://"),
    ("HOST", "http://0.0.0.0", "such as 127.0.0.1"),
    ("HOST", "300.0.0.1", "such as 127.0.0.1"),
    ("PORT", "80a", "from 1 to 65535, such as 8000"),
    ("PORT", "65536", "from 1 to 65535"),
]
READ: Final = """
import importlib, json, os, sys
from django.core.exceptions import ImproperlyConfigured
for name, value in json.loads(sys.argv[1]):
    before, os.environ[name] = os.environ.get(name), value
    module = "proppy.web_server" if name in {"HOST", "PORT"} else "proppy.settings"
    sys.modules.pop(module, None)
    try:
        importlib.import_module(module)
        print("read as if nothing was wrong")
    except (ImproperlyConfigured, SystemExit) as error:
        print(error)
    os.environ.pop(name) if before is None else os.environ.update({name: before})
"""


def test_what_is_no_boolean_number_or_address_is_named_in_one_line(tmp_path: Path) -> None:
    values = [(name, value) for name, value, _ in REFUSED]
    lines = run(tmp_path, "-c", READ, json.dumps(values)).splitlines()
    assert len(lines) == len(REFUSED)
    missed = [
        (name, value, line)
        for (name, value, advice), line in zip(REFUSED, lines, strict=True)
        if not (line.removeprefix("Wrong setting: ").startswith(name) and advice in line)
    ]
    assert missed == []


def test_the_settings_read_nothing_loosely() -> None:
    """django-environ's own bool() takes each unknown word for false, float() each text for a number."""
    settings = (BASE_DIR / "proppy" / "settings.py").read_text()
    assert re.findall(r"env\.(?:bool|int|float|json|url|db_url|email_url)\(", settings) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *((word, True) for word in ("true", "True", "YES", "on", "1", " y ", "ok", "")),
        *((word, False) for word in ("false", "FALSE", "no", "Off", "0", "n")),
    ],
)
def test_usual_words_for_yes_and_no_are_understood(text: str, *, meant: bool) -> None:
    assert boolean("RATE_LIMITS", text, default=True) is meant


def test_what_is_right_is_taken() -> None:
    assert number("PORT", " 8001 ", default=8000) == 8001
    assert number("PORT", "", default=8000) == 8000
    hosts = ["*", ".example.org", "www.example.org", "127.0.0.1", "[::1]", "a_b", "xn--mnchen-3ya.de", "localhost"]
    assert allowed_hosts("ALLOWED_HOSTS", [" ", *hosts, ""]) == hosts
    for host in ("127.0.0.1", "::", "localhost", "fe80::1%eth0", "proppy.example.org"):
        assert listen_host("HOST", host, default="127.0.0.1") == host
    for url in ("", "http://localhost:9000", "https://s3.example.org/path/", "http://[::1]:9000"):
        assert web_address("S3_ENDPOINT_URL", url) == url


def test_a_web_server_with_a_wrong_setting_says_so_in_one_line(tmp_path: Path) -> None:
    gunicorn = [str(BIN / "gunicorn"), "--config=python:proppy.web_server", "--bind=127.0.0.1:0", "proppy.wsgi"]
    env = settings_env(tmp_path) | {"RATE_LIMITS": "ture"}
    done = subprocess.run(gunicorn, env=env, cwd=BASE_DIR, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "Wrong setting: RATE_LIMITS is 'ture': write true or false." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_nobody_answers_for_is_found_by_the_check_of_the_database_alone(tmp_path: Path) -> None:
    url = f"postgres://user:s3cret@127.0.0.1:{free_port()}/name"
    assert "no issues" in check(tmp_path, DATABASE_URL=url)
    said = check(tmp_path, "--database", "default", DATABASE_URL=url)
    assert "(proppy.E006) The database cannot be connected to: " in said
    assert "refused" in said
    assert "Is DATABASE_URL right" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "url", ["postgres://user:password@host:port/name", "postgres://[host/name", "sqlite://var/proppy.sqlite3"]
)
def test_a_database_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape("DATABASE_URL: write sqlite:////")):
        database(url, Path("/site"))


@pytest.mark.parametrize("url", ["mailto://x", "smtp://mail.example.org:port"])
def test_mail_that_cannot_be_sent_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape("EMAIL_URL: write smtp+tls://")):
        mail(url)


@pytest.mark.parametrize("command", ["check", "migrate"])
def test_a_variable_that_cannot_be_read_is_one_line(tmp_path: Path, command: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"\xff\n")
    said = check(tmp_path, command=command, SECRET_KEY_FILE=str(key))
    assert said.startswith("Wrong setting: SECRET_KEY_FILE cannot be read")
    assert said.count("\n") == 1


def test_without_debug_there_must_be_allowed_hosts(tmp_path: Path) -> None:
    assert "ALLOWED_HOSTS=www.example.org" in check(tmp_path, DEBUG="", ALLOWED_HOSTS="")
    assert "no issues" in check(tmp_path, DEBUG="", ALLOWED_HOSTS="example.org, www.example.org")
    assert "no issues" in check(tmp_path, DEBUG="true", ALLOWED_HOSTS="")


def test_mail_from_nowhere_is_named_where_there_is_a_mail_server(tmp_path: Path) -> None:
    server = {"EMAIL_URL": "smtp://mail.example.org:587"}
    assert "DEFAULT_FROM_EMAIL=" in check(tmp_path, "--deploy", **server)
    assert "DEFAULT_FROM_EMAIL=" in check(tmp_path, "--deploy", DEFAULT_FROM_EMAIL="Shop <shop@shop1>", **server)
    for name in ("Shop <shop@example.org>", "shop@example.org"):
        assert "DEFAULT_FROM_EMAIL=" not in check(tmp_path, "--deploy", DEFAULT_FROM_EMAIL=name, **server)
    assert "DEFAULT_FROM_EMAIL=" not in check(tmp_path, "--deploy", EMAIL_URL="consolemail://")


def test_the_line_break_at_the_end_of_a_file_is_no_part_of_the_value(tmp_path: Path) -> None:
    url = tmp_path / "url"
    url.write_text("consolemail://\n")
    hosts = tmp_path / "hosts"
    hosts.write_text("example.org\n")
    env = {"EMAIL_URL_FILE": str(url), "ALLOWED_HOSTS_FILE": str(hosts)}
    code = "from django.conf import settings as s; print(repr((s.EMAIL_BACKEND, s.ALLOWED_HOSTS)))"
    said = run(tmp_path, "-c", code, **env)
    assert said == "('django.core.mail.backends.console.EmailBackend', ['example.org'])\n"


def test_state_dir_is_made_by_the_site_not_by_its_settings(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    assert run(tmp_path, "-c", "import proppy.settings", STATE_DIR=str(state)) == ""
    assert not state.exists()
    check(tmp_path, STATE_DIR=str(state))
    assert state.stat().st_mode & 0o777 == 0o700


def test_the_default_database_is_in_state_dir_whatever_its_name(tmp_path: Path) -> None:
    state = tmp_path / "a b#c%20+d?e"
    code = "from django.conf import settings as s; print(s.DATABASES['default']['NAME'])"
    assert run(tmp_path, "-c", code, STATE_DIR=str(state), DATABASE_URL="") == f"{state / 'proppy.sqlite3'}\n"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///var/proppy.sqlite3", "/site/var/proppy.sqlite3"),
        ("sqlite:////var/proppy.sqlite3", "/var/proppy.sqlite3"),
        ("sqlite:///a%23b.sqlite3", "/site/a#b.sqlite3"),
        ("sqlite://:memory:", ":memory:"),
        ("sqlite:///:memory:", ":memory:"),
        ("sqlite://", ":memory:"),
        ("sqlite:///file:x%3Fmode=memory", "file:x?mode=memory"),
    ],
)
def test_a_sqlite_file_is_found_from_any_working_directory(url: str, name: str) -> None:
    assert database(url, Path("/site"))["NAME"] == name


def test_a_postgresql_that_is_gone_is_found_out_soon_unless_the_url_says_otherwise() -> None:
    config = database("postgres://user:pass%23word@host:5433/name", Path("/site"))
    assert config["OPTIONS"] == POSTGRESQL
    assert (config["NAME"], config["PASSWORD"], config["PORT"]) == ("name", "pass#word", 5433)
    options = database("postgresql://host/name?sslmode=require&connect_timeout=10", Path("/site"))["OPTIONS"]
    assert options == POSTGRESQL | {"sslmode": "require", "connect_timeout": 10}
    # libpq knows each of the names, or this raises.
    del options["prepare_threshold"]  # psycopg's own
    assert "tcp_user_timeout=5000" in psycopg.conninfo.make_conninfo(**options)
    assert (
        database("postgres://host/name?prepare_threshold=null", Path("/site"))["OPTIONS"]["prepare_threshold"] is None
    )


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("host1:5432,host2:5433", "host1,host2", "5432,5433"),
        ("host1,host2:5433", "host1,host2", "5432,5433"),
        ("host1:5433,host2,host3", "host1,host2,host3", "5433,5432,5432"),
        ("[::1]:5433,[fe80::2]", "::1,fe80::2", "5433,5432"),
        ("%2Fvar%2Frun,127.0.0.1", "/var/run,127.0.0.1", "5432,5432"),
    ],
)
def test_several_hosts_are_tried_until_one_takes_writes(hosts: str, host: str, port: str) -> None:
    config = database(f"postgres://user:p%2Ca,ss@{hosts}/name?sslmode=require", Path("/site"))
    assert (config["HOST"], config["PORT"], config["NAME"]) == (host, port, "name")
    assert (config["USER"], config["PASSWORD"]) == ("user", "p,a,ss")
    assert config["OPTIONS"] == POSTGRESQL | {"target_session_attrs": "read-write", "sslmode": "require"}


def test_which_of_several_hosts_is_wanted_may_be_said() -> None:
    config = database("postgres://host1,host2/name?target_session_attrs=primary", Path("/site"))
    assert config["OPTIONS"]["target_session_attrs"] == "primary"


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("host1,/name", "host1:5432,host2:5432"),
        ("host1,,host2/name", "host1:5432,host2:5432"),
        ("host1:port,host2/name", "each port a number"),
        ("host1:70000,host2/name", "each port a number"),
        ("host1,::1/name", "host1:5432,host2:5432"),
        ("host1,[::1/name", "DATABASE_URL: write"),
        ("host1,host2/name?target_session_attrs=readwrite", "target_session_attrs is one of any, read-write"),
        ("host1/name?target_session_attrs=master", "target_session_attrs is one of any, read-write"),
    ],
)
def test_hosts_that_nobody_could_connect_to_are_refused(address: str, advice: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(advice)) as raised:
        database(f"postgres://user:secret@{address}", Path("/site"))
    assert "secret" not in str(raised.value)


def test_an_error_does_not_show_the_password() -> None:
    for url in (
        "postgres://user:top/secret@host/name",
        "postgres://user:secret@host:top/name",
        "postgres://user:top/secret,more@host1,host2/name",
        "postgres://user:to,p/secret@host1,host2/name",
    ):
        with pytest.raises(ImproperlyConfigured) as raised:
            database(url, Path("/site"))
        assert "secret" not in str(raised.value)
        assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_hsts_binds_this_host_alone(tmp_path: Path) -> None:
    code = (
        "from django.conf import settings as s;"
        "print(s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD)"
    )
    assert run(tmp_path, "-c", code, DEBUG="") == "31536000 False False\n"


def test_the_defaults_are_fit_for_the_outside(tmp_path: Path) -> None:
    fit = {"DEBUG": "", "ALLOWED_HOSTS": "example.org", "SECRET_KEY": "".join(map(chr, range(48, 123)))}
    told = {"EMAIL_URL": "smtp+tls://user:secret@mail.example.org:587", "SLACK_TOKEN": "xoxb-1"}
    told["DEFAULT_FROM_EMAIL"] = "Shop <shop@example.org>"
    assert "no issues" in check(tmp_path, "--deploy", **fit, **told)
    said = check(tmp_path, "--deploy", **fit)
    assert re.findall(r"\(proppy\.(\w+)\)", said) == ["W003", "W004"]


@pytest.mark.parametrize(
    ("command", "status"), [(["proppy_status", "--check"], 3), (["proppy_status"], 1), (["proppy_doctor"], 3)]
)
def test_a_wrong_setting_is_unknown_to_a_monitor(tmp_path: Path, command: list[str], status: int) -> None:
    env = bare_env(tmp_path) | settings_env(tmp_path) | {"RATE_LIMITS": "ture"}
    done = run_python(["manage.py", *command], env=env)
    assert (done.returncode, done.stderr) == (status, "Wrong setting: RATE_LIMITS is 'ture': write true or false.\n")


def test_a_broken_app_is_unknown_to_a_monitor(tmp_path: Path) -> None:
    env = bare_env(tmp_path) | settings_env(tmp_path) | {"DJANGO_SETTINGS_MODULE": "there.is.none"}
    done = run_python(["manage.py", "proppy_status", "--check"], env=env)
    assert (done.returncode, done.stderr.splitlines()) == (
        3,
        ["Nothing could be asked: ModuleNotFoundError: No module named 'there'"],
    )
