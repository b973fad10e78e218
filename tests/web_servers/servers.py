"""The servers, each started as it would serve a Django project of this kind: one process of four threads, or four."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR
from tests.support.ports import answers, free_port

#: Where the candidates are installed, apart from the project's own environment.
BIN: Final = Path(os.environ.get("WEB_SERVERS_BIN", BASE_DIR / ".venv-web-servers" / "bin"))

#: As `make run` and the units start it.
OURS: Final = "gunicorn gthread, requests whole"
SERVERS: Final = {
    "Granian": "granian --interface wsgi --http 1 --host 127.0.0.1 --port {port} --workers 1 --blocking-threads 4"
    " --no-ws --log-level warning {application}",
    "gunicorn sync": "gunicorn --workers 4 --bind 127.0.0.1:{port} --log-level error {application}",
    "gunicorn gthread": "gunicorn --workers 1 --threads 4 --worker-class gthread --bind 127.0.0.1:{port}"
    " --log-level error {application}",
    "gunicorn gthread, its parser in Python": "gunicorn --workers 1 --threads 4 --worker-class gthread"
    " --http-parser python --bind 127.0.0.1:{port} --log-level error {application}",
    OURS: "gunicorn --config python:proppy.web_server {application}",
    "waitress": "waitress-serve --listen 127.0.0.1:{port} --threads 4 --connection-limit 1000 --asyncore-use-poll"
    " {application}",
    "uWSGI": "uwsgi --http-socket 127.0.0.1:{port} --master --enable-threads --processes 1 --threads 4"
    " --http-chunked-input --need-app --die-on-term --disable-logging --wsgi {application}",
}

NGINX: Final = """
daemon off; error_log {folder}/error.log; pid {folder}/pid; worker_processes 1; user root;
events {{ worker_connections 2048; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 48m; client_body_timeout 30s; client_header_timeout 15s;
        location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


#: Notes what it took, and does nothing else.
EMPTY: Final = "tests.web_servers.app:application"


class Server:
    """A running one. `notes`: what the application took."""

    def __init__(self, name: str, folder: Path, application: str, env: dict[str, str], core: int | None) -> None:
        self.port, self.notes = free_port(), folder / "notes"
        self.notes.touch()
        words = SERVERS[name].format(port=self.port, application=application).split()
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        env = os.environ | {
            "PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "WEB_SERVERS_NOTES": str(self.notes),
            "PYTHONPATH": str(BASE_DIR),
            **env,
        }
        self._process = _start([*pinned, str(BIN / words[0]), *words[1:]], folder / "log", env)
        _wait(self.port)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running(
    name: str, folder: Path, application: str = EMPTY, *, env: dict[str, str] | None = None, core: int | None = None
) -> Iterator[Server]:
    """Start a server; `.port` is where it listens. `core`: the only processor that it may use."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = Server(name, folder, application, env or {}, core)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def nginx_before(behind: int, folder: Path) -> Iterator[int]:
    """The port of an nginx before it, with the options of deploy/nginx/proppy.conf that matter here."""
    if shutil.which("nginx") is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, behind=behind))
    nginx = _start(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], folder / "log", None)
    try:
        _wait(port)
        yield port
    finally:
        os.killpg(nginx.pid, signal.SIGKILL)
        nginx.wait()


def _start(command: list[str], log: Path, env: dict[str, str] | None) -> "subprocess.Popen[bytes]":
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True, cwd=BASE_DIR)


def _wait(port: int) -> None:
    end = time.monotonic() + 30
    while not answers(port):
        if time.monotonic() > end:
            raise RuntimeError(f"nothing listens to port {port}")
        time.sleep(0.05)
