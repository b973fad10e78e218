"""Applications behind a web server on one core, to which wrk posts from another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks import wrk
from tests.benchmarks.cores import on_core
from tests.benchmarks.lab import Lab
from tests.benchmarks.payload import body
from tests.benchmarks.steady import Posted, Steady
from tests.benchmarks.timing import microseconds
from tests.support.child import BIN, Process
from tests.support.ports import free_port

#: gunicorn as `make run` and the units start it, and the fastest server that we know.
SERVERS: Final = {
    "gunicorn": "gunicorn --config python:proppy.web_server --threads {threads} --bind 127.0.0.1:{port}",
    "Granian": "granian --interface wsgi --http 1 --host 127.0.0.1 --port {port} --workers 1 --no-ws"
    " --log-level warning --blocking-threads {threads}",
}
#: Seconds of a round, and of the look at each number of threads.
SECONDS: Final = 2
LOOK: Final = 1


class Served:
    """One application behind one server, with each number of threads until `choose()` has kept the best of them."""

    def __init__(
        self,
        lab: Lab,
        server: str,
        application: str,
        path: str,
        env: Mapping[str, str],
        threads: Sequence[int],
        programs: Path = BIN,
    ) -> None:
        self._lab, self._path, self._folder, self._programs = lab, path, lab.new_folder(), programs
        self._body = body(lab.conditions.body)
        self._processes: dict[int, tuple[Process, int]] = {}
        for count in threads:
            self._processes[count] = self._start(SERVERS[server], application, env, count)

    @property
    def threads(self) -> int:
        """The number that `choose()` has kept."""
        (count,) = self._processes
        return count

    @property
    def port(self) -> int:
        return self._processes[self.threads][1]

    def choose(self) -> None:
        """Keep the number of threads that answers the most."""
        rates = {count: self._post(port, LOOK).rate for count, (_, port) in self._processes.items()}
        best = max(rates, key=lambda count: rates[count])
        for count in rates.keys() - {best}:
            self._processes.pop(count)[0].kill()

    def rate(self) -> float:
        """Requests a second."""
        return self._post(self.port, SECONDS).rate

    def answered(self, connections: int) -> wrk.Answered:
        """A second of posts over so many connections."""
        return self._post(self.port, LOOK, connections)

    def p99(self, rate: float) -> float:
        """Of posts at a steady rate, in ms."""
        return microseconds(self._steady(self.port, rate, self._lab.seconds(SECONDS)).times, 0.99) / 1000

    def close(self) -> None:
        for process, _ in self._processes.values():
            process.kill()

    def _start(self, command: str, application: str, env: Mapping[str, str], threads: int) -> tuple[Process, int]:
        port = free_port()
        words = [*command.format(port=port, threads=threads).split(), application]
        words[0] = str(self._programs / words[0])
        with on_core(0):
            process = Process(words, env=dict(env), log=self._folder / f"{threads}.log")
        self._lab.at_end(process.kill)
        process.wait_until_listening(port)
        self._steady(port, 20, 0.5)  # gunicorn listens before it has loaded the application
        return process, port

    def _steady(self, port: int, rate: float, seconds: float) -> Posted:
        with on_core(1):
            posted = Steady(port, self._path, rate=rate, body=self._body).post(seconds)
        if not {"200", "202"}.issuperset(posted.answers):
            raise RuntimeError(f"not all were taken: {dict(posted.answers)}")
        return posted

    def _post(self, port: int, seconds: int, connections: int = wrk.CONNECTIONS) -> wrk.Answered:
        url = f"http://127.0.0.1:{port}{self._path}"
        with on_core(1):
            return wrk.post(url, self._body, seconds=seconds, folder=self._folder, connections=connections)
