"""Granian on the listening socket that systemd hands over, drained before it stops: a restart refuses nobody.

`python -m proppy.web_server` takes granian's options but those of the address, which belongs to the `.socket` unit.
Several servers share that socket. It outlives each of them, with the connections that wait in it. What a server has
taken out of it is still answered: when it stops, hyper, on which Granian is built, closes connections that it has not
read from, so that this one stops taking them a while before.
"""

import multiprocessing
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import granian.cli
from granian._granian import SocketHolder
from granian._internal import load_target
from granian.server import MPServer

#: The first descriptor that systemd hands over, see sd_listen_fds(3).
FIRST: Final = 3
#: Tells a worker to take no more connections.
DRAIN: Final = signal.SIGUSR1
#: Seconds in which a worker reads what has been sent on the connections that it has.
GRACE: Final = 1.0
#: Seconds in which a worker that was loaded begins to serve: Granian asks its socket for the address then.
BEGINS: Final = 0.5


class Server(MPServer):
    """Granian's, with a socket that is there already: of itself it takes none (granian#786)."""

    def _init_shared_socket(self) -> None:
        self._sso = socket.socket(fileno=FIRST)
        self._sso.setblocking(False)
        self._shd = SocketHolder(FIRST, False, self.backlog)  # type: ignore[assignment,call-arg]
        self._sfd = FIRST  # type: ignore[assignment]

    def _stop_workers(self) -> None:
        workers = [worker for worker in self.wrks if worker.is_alive()]  # type: ignore[no-untyped-call]
        for worker in workers:
            os.kill(worker._id(), DRAIN)  # type: ignore[no-untyped-call]
        if workers:
            time.sleep(GRACE)
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def serve(self, *_: object) -> None:
        super().serve(target_loader=load)


class Draining:
    """A WSGI application whose clients are asked to connect anew once `drain` was called."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._draining = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            last = [("Connection", "close")] if self._draining else []
            return start_response(status, headers + last, *error)

        return self._application(environ, start)

    def drain(self) -> None:
        """Take no more connections: in place of each listening socket of this process is one that nobody knows."""
        self._draining = True
        with socket.socket(socket.AF_UNIX) as idle:
            idle.bind("")  # a name of the kernel's choice
            idle.listen()
            idle.setblocking(False)
            for descriptor in filter(_is_listening, map(int, os.listdir("/proc/self/fd"))):
                if descriptor != idle.fileno():
                    os.dup2(idle.fileno(), descriptor, inheritable=False)

    def drain_when_told(self) -> None:
        """Wait for `DRAIN`, then drain."""
        loaded = time.monotonic()
        signal.sigwait({DRAIN})
        time.sleep(max(0.0, loaded + BEGINS - time.monotonic()))
        self.drain()


def _is_listening(descriptor: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # closed since
        return False


def load(target: str) -> WSGIApplication:
    """In the worker: the application, which `DRAIN` drains."""
    # Until Granian sets its own: that of the parent, which was inherited, would swallow a SIGTERM while this is loaded.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    application = Draining(cast(WSGIApplication, load_target(target)))
    # No handler: the main thread, which runs them, does not wake where the kernel has given the signal to another one.
    threading.Thread(target=application.drain_when_told, name="drain", daemon=True).start()
    return application


def main() -> None:
    """Serve until SIGTERM. Exits with what to do where systemd has not handed over one socket."""
    process, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    if process != str(os.getpid()):
        sys.exit("No listening socket from systemd: start proppy-web@1.service, or granian, which makes one.")
    if count != "1":
        sys.exit(f"{count} listening sockets from systemd: write one ListenStream= into proppy-web.socket.")
    multiprocessing.set_start_method("fork")  # the worker keeps the socket
    signal.pthread_sigmask(signal.SIG_BLOCK, {DRAIN})  # kept until a worker waits for it
    granian.cli.Server = Server  # type: ignore[attr-defined]
    granian.cli.entrypoint()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
