"""What people and programs see of it, whatever the examinations find."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from notifications.doctor import Finding, examine, failed, ok, register, unknown, warning
from notifications.doctor.registry import unregister
from tests.support.database import use_database

pytestmark = pytest.mark.usefixtures("sqlite_file")

NAME = "search"
ADVICE = "Start it: systemctl start search."
Found = Callable[..., None]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def run(*arguments: str, out: StringIO | None = None) -> tuple[str, int]:
    out = out or StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("proppy_doctor", *arguments, stdout=out, no_color=True)
    return out.getvalue(), int(ended.value.code or 0)


@pytest.fixture
def found() -> Iterator[Found]:
    """Registers an examination that yields what it is given."""

    def add(*findings: Finding, **options: Any) -> None:
        register(NAME, **options)(lambda: findings)

    yield add
    unregister(NAME)


def test_each_finding_is_a_line_and_what_to_do_is_beneath(found: Found) -> None:
    found(ok("it answers"), failed("it holds no index", ADVICE))
    text, status = run("--only", NAME)
    assert text.splitlines() == [
        "ok       search  it answers",
        "FAILED   search  it holds no index",
        f"                 {ADVICE}",
        "1 FAILED.",
    ]
    assert status == 2


@pytest.mark.parametrize(
    ("findings", "status", "summary"),
    [
        ([ok("a")], 0, "All is well."),
        ([ok("a"), warning("b", "c"), unknown("d", "e")], 1, "1 warning, 1 unknown."),
        ([unknown("d", "e"), ok("a")], 3, "1 unknown."),
        ([warning("b", "c"), failed("d", "e"), warning("f", "g")], 2, "1 FAILED, 2 warnings."),
        ([], 3, "1 unknown."),
    ],
)
def test_the_gravest_finding_is_the_exit_status(
    found: Found, findings: list[Finding], status: int, summary: str
) -> None:
    found(*findings)
    text, ended = run("--only", NAME)
    assert (ended, text.splitlines()[-1]) == (status, summary)


def test_for_programs_it_is_json(found: Found) -> None:
    found(warning("it is slow", ADVICE))
    text, status = run("--only", NAME, "--json")
    said = json.loads(text)
    (finding,) = said["findings"]
    assert finding.pop("seconds") >= 0
    assert finding == {"name": NAME, "result": "warning", "text": "it is slow", "advice": ADVICE}
    assert (said["result"], status) == ("warning", 1)


def test_on_a_terminal_the_name_is_shown_while_it_runs(found: Found) -> None:
    out, seen = Terminal(), list[str]()

    def look() -> Iterator[Finding]:
        seen.append(out.getvalue())
        yield ok("it answers")

    register(NAME)(look)
    text, _ = run("--only", NAME, out=out)
    assert seen == ["         search …"]
    assert "\r\x1b[Kok       search  it answers\n" in text
    unregister(NAME)


def test_what_an_examination_raises_is_unknown_and_the_others_go_on(found: Found) -> None:
    def look() -> Iterator[Finding]:
        yield ok("it answers")
        raise KeyError("index")

    register(NAME)(look)
    text, status = run("--only", NAME, "--only", "versions")
    unregister(NAME)
    assert "unknown  search    the examination itself failed: KeyError: 'index'" in text
    assert "ok       versions  Python 3." in text
    assert status == 3


def test_a_finding_that_is_not_ok_says_what_to_do(found: Found) -> None:
    for made in (warning, failed, unknown):
        with pytest.raises(ValueError, match="must say what to do: it holds no index"):
            made("it holds no index", " ")
    assert ok("it answers").advice == ""
    register(NAME)(lambda: [failed("it holds no index", "")])
    text, status = run("--only", NAME)
    assert "unknown  search  the examination itself failed: ValueError: " in text
    assert "must say what to do: it holds no index\n                 Mend what it says" in text
    assert status == 3


def test_what_hangs_is_left_and_may_clean_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "LONGEST", 0.2)
    cleaned, goes_on = threading.Event(), threading.Event()

    def look() -> Iterator[Finding]:
        try:
            yield ok("connected")
            goes_on.wait(10)
        finally:
            cleaned.set()

    def let_go() -> Iterator[Finding]:
        goes_on.set()
        yield ok("next")

    register(NAME)(look)
    register("then")(let_go)
    text, status = run("--only", NAME, "--only", "then")
    unregister(NAME)
    unregister("then")
    assert "ok       search  connected\nFAILED   search  no answer within 0.2 s\n" in text
    assert "ok       then    next" in text
    assert status == 2
    assert cleaned.is_set()


def test_one_that_is_interrupted_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes to the main thread. A shell ignores it for what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started, goes_on, cleaned = threading.Event(), threading.Event(), threading.Event()
    close = examine.Doctor.close

    def closed(doctor: examine.Doctor) -> None:
        goes_on.set()
        close(doctor)

    def look() -> Iterator[Finding]:
        try:
            started.set()
            goes_on.wait(10)
            yield ok("it answers")
        finally:
            cleaned.set()

    def interrupt() -> None:
        started.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    monkeypatch.setattr(examine.Doctor, "close", closed)
    register(NAME)(look)
    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call_command("proppy_doctor", "--only", NAME)
    finally:
        helper.join()
        signal.signal(signal.SIGINT, before)
        unregister(NAME)
    assert cleaned.is_set()


def test_what_others_notice_runs_only_if_it_is_asked_for(found: Found) -> None:
    found(ok("noticed"), only_asked=True)
    assert "noticed" not in run()[0]
    assert "noticed" in run("--only", NAME)[0]


def test_an_unknown_name_is_no_examination() -> None:
    with pytest.raises(CommandError, match=r"called 'slak'\. There are: .*channel:SLACK") as error:
        call_command("proppy_doctor", "--only", "slak")
    assert error.value.returncode == 3


def test_no_finding_changes_a_terminal_or_has_a_second_line(found: Found) -> None:
    found(failed("it says \x1b[2J\nok  all is well", "Do\r this."))
    text, _ = run("--only", NAME)
    assert "it says \N{REPLACEMENT CHARACTER}[2J ok all is well\n" in text
    assert "Do this.\n" in text


def test_secrets_are_masked_wherever_they_come_from(found: Found, settings: Any) -> None:
    settings.NOTIFICATIONS_CHANNELS = {
        "OPS": {
            "class": "notifications.channels.webhook.Webhook",
            "url": "https://ops.test/geheim-path",
            "secret": "s3cr3ts",
        }
    }
    settings.NOTIFICATIONS_HEARTBEAT_URL = "https://hc.test/geheim-ping"
    settings.EMAIL_HOST_PASSWORD = "geheim-mail"
    settings.SHOP = {"API_KEYS": ["geheim-first", "geheim-second"]}
    texts = ["https://ops.test/geheim-path", "/geheim-path", "s3cr3ts", "https://hc.test/geheim-ping", "geheim-mail"]
    texts += ["postgres://shop:geheim-db@db.test/shop", "geheim-second"]
    found(*(failed(f"it said {text} twice", f"Not {text}.") for text in texts))
    text, _ = run("--only", NAME)
    assert "geheim" not in text
    assert "s3cr3ts" not in text
    assert "postgres://…@db.test/shop" in text
    found(failed("it is not set", "Write smtp+tls://user:password@host:587."))
    assert "smtp+tls://user:password@host:587" in run("--only", NAME)[0]


def test_the_whole_of_a_project_is_examined(state_dir: Path) -> None:
    before = sorted(state_dir.rglob("*"))
    text, _ = run()
    names = {line[9:].split()[0] for line in text.splitlines()[:-1] if not line.startswith("         ")}
    wanted = {"versions", "settings", "database", "migrations", "journal", "channel:SLACK", "mail", "photos", "clock"}
    assert wanted <= names
    assert sorted(state_dir.rglob("*")) == before, "nothing is left"


def test_of_a_project_that_was_never_started_nothing_is_made(settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "state"
    settings.NOTIFICATIONS_JOURNAL_URL = "auto"
    before = set(tmp_path.rglob("*"))
    with use_database(f"sqlite:///{tmp_path}/new.sqlite3"):
        text, status = run()
    assert f"FAILED   database        there is no file {tmp_path}/new.sqlite3" in text
    assert status == 2
    assert set(tmp_path.rglob("*")) == before
