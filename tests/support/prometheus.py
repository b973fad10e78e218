"""A real Prometheus that scrapes a site each second: Debian's package."""

import json
import shutil
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.support.child import BASE_DIR, Process, bare_env
from tests.support.ports import free_port
from tests.support.processes import Site
from tests.support.wait import wait_for

JOB: Final = "proppy"
TOKEN: Final = "s3cret"
TOOLS: Final = [shutil.which("prometheus"), shutil.which("promtool")]
RULES: Final = BASE_DIR / "deploy" / "prometheus" / "proppy.rules.yml"
#: Labels and value.
Result = list[tuple[dict[str, str], float]]


class Prometheus:
    """`with Prometheus(site, folder) as prometheus:`, with the alert rules and the configuration that are deployed."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._port = free_port()
        self._config = folder / "prometheus.yml"
        (folder / "proppy.token").write_text(TOKEN)
        changes = {
            ": 30s": ": 1s",
            "[proppy.rules.yml]": f"['{RULES}']",
            "scheme: https": "scheme: http",
            "/etc/prometheus": str(folder),
            "www.example.org": f"127.0.0.1:{site.port}",
        }
        config = RULES.with_name("prometheus.yml").read_text()
        for deployed, ours in changes.items():
            assert deployed in config
            config = config.replace(deployed, ours)
        self._config.write_text(config)
        self._folder = folder

    def __enter__(self) -> "Prometheus":
        options = {
            "config.file": self._config,
            "storage.tsdb.path": self._folder / "data",
            "web.listen-address": f"127.0.0.1:{self._port}",
        }
        command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
        self._process = Process(command, env=bare_env(self._folder), log=self._folder / "prometheus.log")
        self._process.wait_until_listening(self._port)
        wait_for(self._is_ready, message="Prometheus is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        print(self._process.log)

    def query(self, expression: str) -> Result:
        """Labels and value of each sample now. AssertionError if it is refused."""
        found = self._ask("query", query=expression)
        assert found["resultType"] == "vector", expression
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def number(self, expression: str) -> float:
        """The value of one without labels, or of the only one; 0 if there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else 0.0

    def names(self) -> set[str]:
        """Of all metrics that it has seen."""
        return set(self._ask("label/__name__/values"))

    def wait_for_scrapes(self, count: int = 2) -> None:
        """Until the site was asked so often from now on, and has answered."""
        expression = f'count_over_time(proppy_database_up{{job="{JOB}"}}[1h])'
        wanted = self.number(expression) + count
        wait_for(lambda: self.number(expression) >= wanted, timeout=60, message=f"{count} scrapes")

    def _is_ready(self) -> bool:
        with suppress(urllib.error.HTTPError):
            self._open("-/ready").close()
            return True
        return False

    def _ask(self, path: str, **parameters: str) -> Any:
        try:
            with self._open(f"api/v1/{path}?{urlencode(parameters)}") as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert not said.get("warnings"), said
        return said["data"]

    def _open(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"http://127.0.0.1:{self._port}/{path}", timeout=30)
