"""A journald whose socket outlives it, as systemd holds it: what was sent meanwhile is read by the next one."""

import socket
import subprocess

from tests.support.journald import PROGRAM, JournaldNamespace


class HeldJournald(JournaldNamespace):
    """Handed its socket as systemd does (man sd_listen_fds), on descriptor 3. Nothing is lost by a restart."""

    _socket: socket.socket | None = None

    def start(self) -> None:
        """Start it unless it runs. It takes entries also before this returns."""
        if self.alive:
            return
        self._configure()
        self._socket = self._socket or self._bind()
        command = f'exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec {PROGRAM} "$0"'
        self._process = subprocess.Popen(
            ["sh", "-c", command, self.name],
            stdin=self._socket.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._socket is not None:
            self._socket.close()

    def _bind(self) -> socket.socket:
        self.socket_path.parent.mkdir()
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        held.bind(str(self.socket_path))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return held
