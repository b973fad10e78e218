"""Another user of the machine, who may write to a journal: natively, as large as can be, and by `logger`."""

import array
import fcntl
import os
import pwd
import socket
import subprocess
from collections.abc import Callable
from typing import Final

from tests.support.journald import JournaldNamespace
from tests.support.journals import exit_code, in_child

NOBODY: Final = pwd.getpwnam("nobody")
SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Nobody:
    """User `nobody`, with a namespace that is as open to all as the machine's own journal."""

    def __init__(self, journald: JournaldNamespace) -> None:
        self._folder = journald.socket_path.parent
        self._folder.chmod(0o755)
        for name in ("socket", "dev-log"):
            (self._folder / name).chmod(0o666)

    def send(self, *fields: tuple[str, str | bytes]) -> None:
        """One entry of these fields, natively; any field may come again."""
        record = b"".join(_field(*each) for each in (("SYSLOG_IDENTIFIER", "proppy"), *fields))
        self._as_nobody(lambda: _send(str(self._folder / "socket"), record))

    def log(self, text: str) -> None:
        """`logger -t proppy TEXT`."""
        command = ["logger", "-t", "proppy", "--socket", str(self._folder / "dev-log"), "--", text]
        self._as_nobody(lambda: subprocess.run(command, check=True))

    @staticmethod
    def _as_nobody(function: Callable[[], object]) -> None:
        def run() -> None:
            os.setgroups([])
            os.setgid(NOBODY.pw_gid)
            os.setuid(NOBODY.pw_uid)
            function()

        assert exit_code(in_child(run)) == 0


def _field(name: str, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


def _send(path: str, record: bytes) -> None:
    """One datagram, or what is too large for that in a sealed memfd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(path)
        if len(record) < 100_000:
            sock.send(record)
            return
        descriptor = os.memfd_create("entry", os.MFD_ALLOW_SEALING)
        os.write(descriptor, record)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        sock.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
