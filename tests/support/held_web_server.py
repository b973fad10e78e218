"""proppy.web_server with shorter limits, and an application that hangs where it is asked to."""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from proppy import slow_clients, web_worker
from proppy.web_server import *  # noqa: F403  its settings are gunicorn's

for module, name, default in ((web_worker, "LONGEST_REQUEST", "1"), (slow_clients, "LONGEST_SENDING", "30")):
    setattr(module, name, float(os.environ.get(name, default)))
timeout = 2


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers its process and how many bytes were posted. /hang never answers, and leaves a file that says so."""
    if environ["PATH_INFO"].startswith("/hang"):
        Path(os.environ["HELD"], environ["PATH_INFO"].strip("/")).touch()
        threading.Event().wait()
    body = environ["wsgi.input"].read()
    answer = f"{os.getpid()} {len(body)}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
