"""The worker of the web server. If all its threads are blocked, it gives no sign of life, and is replaced."""

import logging
import signal
import sys
import threading
import time
import traceback
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import InvalidHeader

from notifications import emit
from notifications.conf import conf
from notifications.workers.watchdog import TURNING, notify
from proppy.slow_clients import SlowClients

logger = logging.getLogger(__name__)

#: Seconds that a request may hold a thread. All that a request waits for, such as the database, has shorter limits.
LONGEST_REQUEST: Final = 60.0
#: Seconds between two signs of life.
PING: Final = 1.0
#: Bytes of a body beyond what is stored: parts of a form, sizes of chunks.
OVERHEAD: Final = 2 * 1024 * 1024


class Worker(SlowClients):
    """Names without an underscore override gunicorn's ThreadWorker."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._held: dict[int, float] = {}  # thread, since when
        self._ping_at = 0.0
        self._stuck = False

    def load_wsgi(self) -> None:
        """Load the application. A SIGTERM meanwhile ends the process: no request waits yet.

        An application that cannot be loaded ends the server, also if it exits: gunicorn would restart that at once.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            super().load_wsgi()
        except SystemExit as end:
            logger.critical("The application exited while it was loaded: %s", end.code)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        except ImproperlyConfigured as error:  # what to write instead, and no traceback around it
            self.log.critical("Wrong setting: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        limits = (source.body_limit for source in conf.sources.values() if source.http)
        self.longest_body = OVERHEAD + max(limits, default=conf.raw_max_body_bytes)
        self.init_signals()

    def handle(self, conn: Any) -> Any:
        """Handle a request, in a thread."""
        thread = threading.get_ident()
        self._held[thread] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._held[thread]

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Refuse HTTP/1.1 requests without a host (RFC 9112, 3.2): Django would use the address instead."""
        if req.version >= (1, 1) and not any(name == "HOST" for name, _ in req.headers):
            raise InvalidHeader("HOST", req=req)
        return super().handle_request(req, conn)

    def notify(self) -> None:
        """Give a sign of life, unless all threads are blocked."""
        now = time.monotonic()
        if now < self._ping_at:
            return
        self._ping_at = now + PING
        since = list(self._held.values())
        if len(since) >= self.cfg.threads and now - max(since) > LONGEST_REQUEST:
            self._report_once()
            return
        self._stuck = False
        super().notify()
        notify(TURNING)

    def _report_once(self) -> None:
        if self._stuck:
            return
        self._stuck = True
        text = f"All {self.cfg.threads} threads are blocked for over {LONGEST_REQUEST:g} s: a new web worker is started"
        frames, held = sys._current_frames(), list(self._held)
        stacks = [f"thread {thread}:\n{''.join(traceback.format_stack(frames.get(thread)))}" for thread in held]
        logger.critical("%s. Where they are:\n%s", text, "\n".join(stacks))
        emit(conf.alert_channel, text, kind="web server", alert=True, on_commit=False)
