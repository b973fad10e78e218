"""deploy/nginx/proppy.conf in an nginx before the site; tests/system/test_nginx.py has the rest, as it is deployed."""

import http.client
import re
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trustme

from tests.support.child import BASE_DIR, Process
from tests.support.ports import free_port
from tests.support.processes import Site

NGINX: Final = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
MAIN: Final = """
daemon off; error_log stderr; pid {folder}/pid; worker_processes 1; {user}
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/proppy.conf;
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx")


class Nginx:
    """One with the configuration that is deployed, but for its ports and its certificate."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.port = free_port()
        authority = trustme.CA()
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
        config = (BASE_DIR / "deploy" / "nginx" / "proppy.conf").read_text()
        config = re.sub(r"/etc/letsencrypt/\S+\.pem", str(folder / "both.pem"), config)
        config = config.replace("127.0.0.1:8000", f"127.0.0.1:{site.port}").replace("example.org;", "localhost;")
        config = re.sub(r"listen \[::\]:.*;", "", config).replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
        (folder / "proppy.conf").write_text(config.replace("listen 443", f"listen 127.0.0.1:{self.port}"))
        user = "user root;" if folder.owner() == "root" else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        self._command = [str(NGINX), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        self._site = site
        self.process: Process

    def start(self, **env: str) -> None:
        """It, and the site behind it with these settings."""
        self._site.env |= env
        self._site.migrate()
        self._site.start("web")
        self.process = Process(self._command, env=self._site.env, log=self._site.folder / "nginx.log")
        self.process.wait_until_listening(self.port)

    def get(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self.tls)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def nginx(site: Site, tmp_path: Path) -> Iterator[Nginx]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = Nginx(site, folder)
    yield nginx
    nginx.process.kill()
    print(nginx.process.log)


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_a_status_page_is_for_who_has_the_token(nginx: Nginx, path: str) -> None:
    nginx.start(STATUS_TOKEN="s3cret", TRUSTED_PROXIES="127.0.0.1")
    status, page = nginx.get(path, {"Authorization": "Bearer s3cret"})
    assert (status, "database" in page) == (200, True)
    for headers in ({}, {"X-Forwarded-For": "::1"}):  # who says that they are this machine
        assert nginx.get(path, {"Authorization": "Bearer wrong"} | headers) == (404, "not found\n"), "the site's answer"
    for headers in ({}, {"Authorization": ""}):
        status, page = nginx.get(path, headers)
        assert (status, "nginx" in page) == (404, True), "its own answer"
