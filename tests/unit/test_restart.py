"""proppy-restart stops nothing for settings, or a database, that the services could not work with."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from deploy.operate import restart, services
from deploy.operate.machine import Failed, Machine
from tests.support.child import BASE_DIR
from tests.support.ports import free_port
from tests.support.processes import settings_env

#: Runs what is behind the --, with the environment of the test instead of /etc/proppy.
SYSTEMD_RUN = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""

Restart = Callable[..., bool]


@pytest.fixture
def proppy_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restart:
    """Runs it with options and a changed environment; returns whether it has restarted the services."""
    started: list[Machine] = []
    program = tmp_path / "bin" / "systemd-run"
    program.parent.mkdir()
    program.write_text(SYSTEMD_RUN)
    program.chmod(0o755)
    monkeypatch.setattr(restart, "require_root", lambda: None)
    monkeypatch.setattr(restart, "alone", nullcontext)
    monkeypatch.setattr("deploy.operate.release.current", lambda: BASE_DIR)
    monkeypatch.setattr(services, "start", started.append)

    def run(*options: str, **changed: str) -> bool:
        env = settings_env(tmp_path) | {"ALLOWED_HOSTS": "example.org"} | changed
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{program.parent}:{env['PATH']}")
        monkeypatch.setattr("sys.argv", ["proppy-restart", *options])
        before = len(started)
        restart.main()
        return len(started) > before

    return run


def test_a_database_that_does_not_answer_stops_nothing(
    proppy_restart: Restart, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"postgres://user:s3cret@127.0.0.1:{free_port()}/name"
    with pytest.raises(Failed, match=r"Nothing was stopped\. .* proppy-restart --no-check"):
        proppy_restart(DATABASE_URL=url)
    said = capfd.readouterr()
    assert "The database cannot be connected to" in said.out + said.err
    assert "refused" in said.out + said.err
    assert "s3cret" not in said.out + said.err
    assert proppy_restart("--no-check", DATABASE_URL=url), "its operator knows better"


@pytest.mark.slow
def test_another_database_without_our_tables_stops_nothing(proppy_restart: Restart, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"has not the tables .* does DATABASE_URL name another one than before"):
        proppy_restart(DATABASE_URL=f"sqlite:///{tmp_path}/typo.sqlite3")


def test_a_wrong_setting_stops_nothing(proppy_restart: Restart, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed, match="Nothing was stopped"):
        proppy_restart(RATE_LIMITS="ture")
    said = capfd.readouterr()
    assert "Wrong setting: RATE_LIMITS is 'ture'" in said.out + said.err
