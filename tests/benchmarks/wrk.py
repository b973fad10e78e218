"""wrk (github.com/wg/wrk, Debian's package), which posts as fast as it is answered."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.payload import SENT

CONNECTIONS: Final = 8
#: As nginx would send it on: over HTTPS, from a client elsewhere.
SCRIPT: Final = """
wrk.method = "POST"
wrk.body = [[%s]]
%s
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """Requests per second, and the 99th percentile of their latency in ms."""

    rate: float
    p99: float


def post(url: str, body: bytes, *, seconds: int, folder: Path, connections: int = CONNECTIONS) -> Answered:
    """Post the body again and again over kept connections. Raises RuntimeError for answers other than 2xx or 3xx."""
    script = folder / "post.lua"
    headers = [f'wrk.headers["{name}"] = "{value}"' for name, value in SENT.items()]
    script.write_text(SCRIPT % (body.decode(), "\n".join(headers)))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=20s", "--latency", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    return parse(done.stdout)


def parse(report: str) -> Answered:
    """What wrk printed. Raises RuntimeError where requests failed."""
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", report, re.MULTILINE)
    p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s)\b", report, re.MULTILINE)
    if rate is None or p99 is None or "Non-2xx" in report or "Socket errors" in report:
        raise RuntimeError(f"wrk:\n{report}")
    return Answered(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])
