"""Wakes `process_raw` when there is work: a datagram to each worker of this machine, NOTIFY to other machines.

A lost call costs a second at most: the workers poll as well.
"""

import os
import socket
import time
import uuid
import weakref
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Final

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.conf import conf
from notifications.utils.private_folders import make_private

#: sockaddr_un has room for 107 bytes of path (man 7 unix); our names take 20.
LONGEST_FOLDER: Final = 86
#: Nanoseconds by which a folder's mtime may lag behind a change (the kernel's tick).
TICK: Final = 50_000_000
NOTIFY_CHANNEL: Final = "proppy"
NOTIFY_INTERVAL: Final = 0.01
#: Seconds after which another one may be sent, although the first is still on its way.
LONGEST_NOTIFY: Final = 0.1


class Sleeper:
    """A worker's end: readable after a `wake()`. Raises OSError if it cannot be made."""

    def __init__(self) -> None:
        folder = conf.state_dir / "wake"
        make_private(folder)
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._socket = _datagram_socket()
        try:
            self._socket.bind(f"{_reachable(str(folder))}/{self._path.name}")
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> None:
        """Forget the calls so far."""
        with suppress(BlockingIOError):
            while self._socket.recv(16):
                pass

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


class Waker:
    """The other end: knows the workers of a folder. Never waits, never raises."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._prefix = self._folder
        self._names: list[str] = []
        self._listed = 0
        self._socket = _datagram_socket()
        weakref.finalize(self, self._socket.close)

    def wake(self) -> None:
        try:
            changed = os.stat(self._folder).st_mtime_ns
            if changed != self._listed:
                self._names = os.listdir(self._folder)
                self._prefix = _reachable(self._folder)
                self._listed = changed if time.time_ns() - changed > TICK else 0
        except OSError:  # no worker has run here yet
            return
        for name in self._names:
            try:
                self._socket.sendto(b"1", f"{self._prefix}/{name}")
            except BlockingIOError:  # its buffer is full: it is awake
                continue
            except ConnectionRefusedError:  # the worker was killed
                with suppress(OSError):
                    os.unlink(f"{self._folder}/{name}")
            except OSError:
                continue


class Notifier:
    """Wakes workers on other machines through PostgreSQL. NOTIFY takes a lock at commit, so it is sent seldom.

    The INSERT of a payload sends it itself if it is due: so a capture is one round trip and one commit.

    A payload kept within 10 ms of a NOTIFY sends none: a worker that hears one looks again later (wait_for_work.py).
    Nor does one that is kept while a NOTIFY is on its way: commits with one wait for each other, each with its fsync.
    If that one then sends none, because its key came before, it sends one for the others. If it fails, or is held up
    after its commit, the poll finds them.
    """

    def __init__(self) -> None:
        #: By time.monotonic(); before it, nobody sends one.
        self.quiet_until = 0.0
        #: Whether somebody was told to send none since the last one began.
        self.others_wait = False

    def begin(self, db: BaseDatabaseWrapper) -> bool:
        """Whether a statement that begins now, outside a transaction, should send the NOTIFY; then call `end()`."""
        if db.vendor != "postgresql":
            return False
        now = time.monotonic()
        self.others_wait = now < self.quiet_until
        if not self.others_wait:
            self.quiet_until = now + LONGEST_NOTIFY
        return not self.others_wait

    def end(self, since: float, *, sent: bool) -> None:
        """The statement is over that began at `since`, in seconds of time.monotonic(). Was its NOTIFY committed?"""
        self.quiet_until = since + NOTIFY_INTERVAL if sent else 0.0

    def notify(self, db: BaseDatabaseWrapper) -> None:
        """Send after the commit of the caller's transaction, or now if there is none; at most every 10 ms.

        Never raises: the payload is stored, and the workers poll.
        """
        if db.vendor != "postgresql":
            return
        if db.in_atomic_block:  # a NOTIFY inside would make its commit wait for other commits
            db.on_commit(partial(self._send, db))
        else:
            self._send(db)

    def _send(self, db: BaseDatabaseWrapper) -> None:
        # The payload is already visible to all. If the interval swallows this call, it has not ended yet, so the worker
        # that heard its first NOTIFY looks again later than now. If one is on its way, the worker looks when it comes.
        since, sent = time.monotonic(), False
        if not self.begin(db):
            return
        try:
            with suppress(Error), db.cursor() as cursor:
                cursor.execute(f"NOTIFY {NOTIFY_CHANNEL}")
                sent = True
        finally:
            self.end(since, sent=sent)


notifier = Notifier()


def wake() -> None:
    """Wake the workers of this machine."""
    try:
        _waker(str(conf.state_dir)).wake()
    except OSError:  # no descriptor left for the socket
        return


@cache
def _waker(state_dir: str) -> Waker:
    return Waker(Path(state_dir, "wake"))


@cache
def _reachable(folder: str) -> str:
    """A path to the folder, short enough for a socket's address."""
    if len(os.fsencode(folder)) <= LONGEST_FOLDER:
        return folder
    return f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)}"


def _datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
