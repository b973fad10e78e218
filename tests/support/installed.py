"""proppy on a booted Debian, installed as an operator would, with a Slack, a mail server and an S3 that it may use."""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import debian
from tests.support.booted import CHECKOUT, SERVICES, Booted
from tests.support.s3 import S3Server
from tests.support.slack import FakeSlack
from tests.support.smtp import MailServer
from tests.support.wait import wait_for

TOOLS: Final = ("debootstrap", "systemd-nspawn", "nsenter")
#: A system call of this network belongs to nobody else on it.
ALLOWED_HOSTS: Final = "localhost,127.0.0.1"
DATABASE: Final = "/var/lib/proppy/proppy.sqlite3"
#: Prints the rows of a statement as JSON.
QUERY: Final = """
import json, sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=30)
print(json.dumps(connection.execute(sys.argv[2]).fetchall()))
"""


class Installed(Booted):
    """The machine, with proppy in it and the servers around it."""

    def __init__(self, folder: Path, suite: str = debian.DEFAULT_SUITE) -> None:
        super().__init__(folder, suite)
        self._cleanup = ExitStack()
        #: Why it is of no use any more.
        self.broken = ""
        self.slack = FakeSlack()
        self.mail = MailServer()
        self.s3 = S3Server(folder)

    def __enter__(self) -> "Installed":
        with ExitStack() as cleanup:
            for server in (self.slack, self.mail, self.s3):
                cleanup.enter_context(server)
            super().__enter__()
            cleanup.callback(super().__exit__)
            self.prepare()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def prepare(self) -> None:
        """What deploy/README.md says: install, which says what is missing; write that; install again."""
        first = self.try_run(f"{CHECKOUT}/deploy/install")
        assert first.returncode == 1, first.stdout
        assert "ALLOWED_HOSTS is empty" in first.stdout
        env = (self.root / "etc/proppy/env").read_text()
        settings = {"S3_BUCKET": self.s3.bucket, "S3_ENDPOINT_URL": self.s3.url, "SLACK_API_URL": self.slack.url}
        settings["AWS_DEFAULT_REGION"] = self.s3.env["AWS_DEFAULT_REGION"]
        env = env.replace("\nALLOWED_HOSTS=\n", f"\nALLOWED_HOSTS={ALLOWED_HOSTS}\n")
        # As `systemctl edit proppy-web.socket` does.
        edited = f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{self.port}\n"
        self.write("/etc/systemd/system/proppy-web.socket.d/override.conf", edited)
        self.write("/etc/proppy/env", env + "".join(f"{name}={value}\n" for name, value in settings.items()))
        secrets = {"SLACK_TOKEN": self.slack.token, "EMAIL_URL": self.mail.url}
        secrets |= {name: self.s3.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        for name, value in secrets.items():
            self.write(f"/etc/proppy/credentials/{name}", f"{value}\n")
        self.install()

    def install(self) -> str:
        """Install, or upgrade to, what is in the checkout; what was printed."""
        return self.run(f"{CHECKOUT}/deploy/install")

    def stop(self) -> None:
        """Stop all services; none of them runs any more then."""
        # The target alone is stopped before them, and systemctl waits for no more than that.
        self.run("systemctl", "stop", "proppy.target", *SERVICES)

    def restart_at_once(self) -> None:
        """Restart all services; returns when they are ready."""
        self.run("systemctl", "restart", "proppy.target")
        self.wait_until_active(*SERVICES)

    @property
    def releases(self) -> list[str]:
        """The names of those that are there, oldest first."""
        return sorted(path.name for path in (self.root / "opt/proppy/releases").iterdir())

    @property
    def release(self) -> str:
        """The name of the one in use."""
        return (self.root / "opt/proppy/current").readlink().name

    def rows(self, sql: str) -> list[list[Any]]:
        """What the database says, asked without Django, whose start takes a second."""
        as_user = ("setpriv", "--reuid=proppy", "--regid=proppy", "--clear-groups")
        found: list[list[Any]] = json.loads(self.run(*as_user, "python3", "-c", QUERY, DATABASE, sql))
        return found

    def counted(self, name: str) -> int:
        """How many REPORT events of this name have been delivered."""
        return int(
            self.rows(f"SELECT coalesce(sum(count), 0) FROM notifications_reportrow WHERE name = '{name}'")[0][0]
        )

    def wait_until_told(self) -> None:
        """Until REPORT has all events that are in the journal now."""
        name = f"fence {uuid.uuid4().hex}"
        self.shell(f"from notifications import emit; emit('REPORT', {name!r})")
        wait_for(lambda: self.counted(name), timeout=120, message="the channel REPORT has caught up")

    def handled(self) -> set[str]:
        """The marks of contact forms that a worker has read, once each."""
        names = [name for (name,) in self.rows("SELECT name FROM proppy_contactmessage")]
        assert len(names) == len(set(names)), "handled twice"
        return set(names)

    def wait_until_handled(self, marks: list[str], timeout: float = 120) -> None:
        """Until all that was answered with 202 has been handled. AssertionError if none is for so many seconds.

        Workers give way to all else, and a machine may have much else to do.
        """
        missing = set(marks) - self.handled()

        def is_less() -> bool:
            before = len(missing)
            missing.difference_update(self.handled())
            return len(missing) < before

        while missing:
            wait_for(is_less, timeout=timeout, message="all that was accepted is handled")


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "what tests/system boots: bookworm, trixie, noble (default: %(default)s)"
    parser.getgroup("system").addoption("--suite", default=debian.DEFAULT_SUITE, help=text)


@pytest.fixture(scope="session")
def installed_machine(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Installed]:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: sh tests/install-services")
    with Installed(tmp_path_factory.mktemp("booted"), pytestconfig.getoption("--suite")) as machine:
        yield machine
        if not machine.broken:
            print(machine.log())


@pytest.fixture
def installed(request: pytest.FixtureRequest) -> Installed:
    """The machine that all tests share, up and with all services ready."""
    machine: Installed = request.getfixturevalue("installed_machine")
    if machine.broken:  # once is enough to wait for it
        pytest.fail(f"an earlier test has broken the machine: {machine.broken}")
    try:
        machine.wait_until_active(*SERVICES)
    except AssertionError as error:
        machine.broken = str(error)
        raise
    return machine
