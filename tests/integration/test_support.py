"""The tests' own tools: waiting, ports, processes and the mail server."""

import re
import smtplib
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.child import BASE_DIR, Process, bare_env
from tests.support.ports import answers, free_port
from tests.support.processes import Site
from tests.support.smtp import MailServer
from tests.support.wait import wait_for


class TestWaitFor:
    def test_returns_the_first_truthy_value(self) -> None:
        values = iter(["", "", "there"])
        assert wait_for(lambda: next(values)) == "there"

    def test_says_what_was_awaited(self) -> None:
        with pytest.raises(AssertionError, match=r"waited 0 s for: the moon \(last value: 0\)"):
            wait_for(lambda: 0, timeout=0, message="the moon")


def test_free_ports_are_free_and_given_once() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    assert not any(answers(port) for port in ports)


class TestMail:
    def test_hangs_up_when_it_ends(self) -> None:
        with MailServer() as server:
            address = urlsplit(server.url)
            client = smtplib.SMTP(address.hostname or "", address.port or 0, timeout=30)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()


class TestProcess:
    @staticmethod
    def python(folder: Path, code: str) -> Process:
        return Process([sys.executable, "-c", code], env=bare_env(folder), log=folder / "log")

    def test_environment_is_made_from_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SLACK_TOKEN", "of the developer")
        process = self.python(tmp_path, "import os; print(*os.environ)")
        wait_for(lambda: not process.alive)
        names = {name for name in process.log.split() if not name.startswith(("COVERAGE_PROCESS_", "LC_"))}
        assert names == {"PATH", "HOME", "LANG"}

    def test_terminate_gives_the_exit_code(self, tmp_path: Path) -> None:
        code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(3))"
        process = self.python(tmp_path, code + "; print('ready', flush=True); signal.pause()")
        wait_for(lambda: process.log)
        assert process.terminate() == 3

    def test_terminate_tells_of_one_that_does_not_end(self, tmp_path: Path) -> None:
        code = "import signal; signal.signal(15, signal.SIG_IGN); print('busy', flush=True)"
        process = self.python(tmp_path, code + "\nwhile 1: signal.pause()")
        wait_for(lambda: process.log)
        with pytest.raises(AssertionError, match="busy"):
            process.terminate(timeout=0.1)
        assert not process.alive

    def test_kill_takes_the_children_too(self, tmp_path: Path) -> None:
        port = free_port()
        child = f"import socket; s = socket.create_server(('127.0.0.1', {port}))\nwhile 1: s.accept()"
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
        process = self.python(tmp_path, code)
        process.wait_until_listening(port)
        process.kill()
        assert not answers(port)
        assert not process.alive

    def test_one_that_dies_at_its_start_shows_its_log(self, tmp_path: Path) -> None:
        process = self.python(tmp_path, "raise SystemExit('no such luck')")
        with pytest.raises(AssertionError) as caught:
            process.wait_until_listening(free_port())
        assert "no such luck" in caught.value.__notes__[0]


def test_site_states_each_variable_that_the_settings_read(tmp_path: Path) -> None:
    settings = (BASE_DIR / "proppy" / "settings.py").read_text()
    read = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z0-9_]+)"', settings))
    assert read - Site(tmp_path).env.keys() == set()


def test_site_comes_back_where_it_was(site: Site) -> None:
    site.start("web")
    assert site.browse().get("/healthz").text.strip() == "ok"
    site.kill("web")
    assert not answers(site.port)
    site.start("web")
    assert site.browse().get("/healthz").status == 200
    assert site.terminate("web") == 0


def test_manage_shows_why_a_command_failed(site: Site) -> None:
    site.env["DATABASE_URL"] = "sqlite:////nowhere/at/all.sqlite3"
    with pytest.raises(AssertionError, match="unable to open database file"):
        site.migrate()
