"""Each benchmark runs and yields the rows that it promises. What it measures is no assertion."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.benchmarks import process, rows, wrk
from tests.benchmarks.channels import Hanging
from tests.benchmarks.cores import on_core
from tests.benchmarks.journal import mixed
from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import is_there, lacks
from tests.benchmarks.payload import body
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.slow_fsync import slow_fsync
from tests.benchmarks.steady import Steady
from tests.benchmarks.table import (
    PAGE,
    README,
    Row,
    at_least,
    at_most,
    bullets,
    markdown,
    replace_table,
    reported,
    unmeasured,
)
from tests.benchmarks.timing import empty_times, microseconds, time_each
from tests.support.child import BASE_DIR, bare_env
from tests.support.wait import wait_for

#: Those that have rows which need nothing of a machine.
MEASURES_SQLITE = {"keep", "process_raw", "idle", "claim_cost", "backlog", "memory", "series", "admin", "other_path"}
FIGURE = re.compile(r"(\d[\d,.]*) (x|ms|µs|s|a second|MB|% of a core)( \(\d[\d,.]* to \d[\d,.]*\))?")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, quick=True) as lab:
        yield lab


@pytest.mark.release
@pytest.mark.services
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("emit", 2),
        ("keep", 7),
        ("post", 22),
        ("other_path", 1),
        ("slow_disk", 1),
        ("process_raw", 2),
        ("idle", 3),
        ("claim_cost", 2),
        ("backlog", 2),
        ("memory", 2),
        ("follow_journal", 1),
        ("series", 1),
        ("to_slack", 1),
        ("catch_up", 1),
        ("slack_down", 1),
        ("hanging", 1),
        ("admin", 4),
        ("away", 2),
        ("weight", 9),
    ],
)
def test_a_benchmark_measures(lab: Lab, name: str, count: int) -> None:
    if name == "slow_disk" and not is_there("gcc"):
        pytest.skip(lacks("gcc"))
    measured = list(rows.BENCHMARKS[name](lab))
    assert len(measured) == count
    for row in measured:
        figure = FIGURE.fullmatch(row.measured)
        assert figure, row
        assert float(figure[1].replace(",", "")) > 0
        assert row.reach
        assert row.numbers


@pytest.mark.release
@pytest.mark.services
@pytest.mark.skipif(not is_there("gcc"), reason="needs gcc")
def test_threads_are_compared(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows.threads, "DISKS", [("FULL", 2)])
    monkeypatch.setattr(rows.threads, "PROCESSES", [2])
    monkeypatch.setattr(rows.threads, "CONNECTIONS", [8])
    (row,) = rows.ON_DEMAND["threads"](lab)
    assert re.fullmatch(r"(\d+: [\d,]+ a second, p99 \d+ ms(; )?){5}", row.numbers), row


def test_every_benchmark_is_tested() -> None:
    marks = test_a_benchmark_measures.pytestmark  # type: ignore[attr-defined]  # pytest adds it
    tested = next(mark for mark in marks if mark.name == "parametrize").args[1]
    assert [name for name, _ in tested] == list(rows.BENCHMARKS)


@pytest.mark.parametrize("name", [name for name in rows.BENCHMARKS if name not in MEASURES_SQLITE])
def test_a_benchmark_says_what_it_needs(lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.needs.is_there", lambda need: False)
    measured = list(rows.BENCHMARKS[name](lab))
    assert {(row.measured, row.reached) for row in measured} == {("not measured", None)}
    assert all("apt-get install" in row.numbers for row in measured)


def test_needs_name_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.needs.is_there", lambda need: need == "wrk")
    assert lacks("wrk") == ""
    assert lacks("root", "journald", "wrk") == "needs root, journald: run it as root, apt-get install systemd"


def test_a_figure_is_held_against_its_limit() -> None:
    assert at_most("p", "l", [1.5], 1.5, "n") == Row("p", "l", "<= 1.5 x", "1.5 x", (True,), "n")
    assert at_most("p", "l", [1.51], 1.5, "n").reached is False
    assert at_least("p", "l", [0.8], 0.8, "n") == Row("p", "l", ">= 0.8 x", "0.8 x", (True,), "n")
    assert at_least("p", "l", [0.79], 0.8, "n").reached is False
    assert reported("p", "l", [9.0], "n").reached is None


def test_a_figure_is_the_median_of_its_rounds_with_lowest_and_highest() -> None:
    assert at_most("p", "l", [1.0, 3.0, 1.25], 4, "n").measured == "1.25 x (1 to 3)"
    assert at_least("p", "l", [7000.4, 5000.0], 4, "n", "a second").measured == "6,000 a second (5,000 to 7,000)"


def test_what_was_missed_in_one_round_was_missed() -> None:
    row = at_least("p", "l", [2.0, 0.9, 2.0], 1, "n")
    assert row.reached is False
    assert "| **missed** in 1 of 3 rounds |" in markdown([row])


def test_the_table_is_markdown() -> None:
    table = markdown([at_most("`emit()`", "sendto", [2.0], 1.5, "20 µs"), unmeasured("post", "needs wrk")])
    head, rule, missed, absent = table.splitlines()
    assert {line.count("|") for line in (head, rule, missed, absent)} == {7}
    assert set(rule) == set("| -")
    assert missed == "| `emit()` | sendto | <= 1.5 x | 2 x | **missed** | 20 µs |"
    assert "not measured" in absent
    assert "needs wrk" in absent


def test_a_table_takes_its_place_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- make bench -->\nold\n<!-- end -->\nb\n<!-- make other -->\n<!-- end -->\n")
    replace_table(page, "make bench", "new\n")
    assert page.read_text() == "a\n<!-- make bench -->\nnew\n<!-- end -->\nb\n<!-- make other -->\n<!-- end -->\n"
    with pytest.raises(ValueError, match="make nothing"):
        replace_table(page, "make nothing", "new\n")


def test_readme_has_some_rows() -> None:
    post = "`POST /in/<source>/` of the site, SQLite FULL"
    paths = [f"{post}, gunicorn", f"{post}, Granian", f"{post}, an fsync of 2 ms, gunicorn", "`keep()` in process"]
    assert (
        bullets([at_least(path, "a view", [0.5], 1, "n") for path in paths]) == f"- {paths[0]}: 0.5 x against a view\n"
    )


def test_both_pages_have_a_place_for_the_table() -> None:
    for page, name in ((PAGE, "make bench"), (PAGE, "make bench-peers"), (README, "make bench")):
        assert page.read_text().count(f"<!-- {name} -->\n") == 1


def test_what_is_compared_is_measured_in_turn() -> None:
    called: list[str] = []

    def measure(name: str) -> int:
        called.append(name)
        return len(called)

    assert interleaved(2, lambda: measure("a"), lambda: measure("b")) == [[4, 5], [3, 6]]
    assert called == ["a", "b", "b", "a", "a", "b"], "each round begins with the next one"
    assert ratios([3, 5], [4, 10]) == [0.75, 0.5]


def test_a_body_has_the_size_that_is_asked_for() -> None:
    assert [len(body(size)) for size in (100, 1024, 5_000_000)] == [100, 1024, 5_000_000]
    assert json.loads(body(1024))["type"] == "checkout.session.completed"


@pytest.mark.skipif(not is_there("gcc"), reason="needs gcc")
def test_an_fsync_can_be_slowed(tmp_path: Path) -> None:
    code = "import os, time; t = time.monotonic(); os.fsync(1); os.fdatasync(1); print(time.monotonic() - t)"
    env = bare_env(tmp_path) | slow_fsync(tmp_path, 100)
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], env=env, stdout=out, check=True)
    assert float((tmp_path / "out").read_text()) >= 0.2


@pytest.mark.parametrize("rate", [50, 100_000])
def test_a_steady_client_counts_from_when_a_request_was_due(rate: float) -> None:
    """The server takes 20 ms for each; with 8 connections not more than 400 a second."""
    with serve(Slow) as port:
        posted = Steady(port, "/", rate=rate, body=b"x").post(30 / rate)
    assert posted.answers == {"202": 30}
    assert min(posted.times) >= 20_000_000
    if rate > 400:  # those that waited for a connection count it
        assert max(posted.times) >= 60_000_000


class Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        threading.Event().wait(0.02)
        self.send_response(202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_calls_are_timed_one_by_one() -> None:
    times, called = empty_times(4), list[int]()
    assert time_each(called.append, [7, 8], times, 1) == 3
    assert called == [7, 8]
    assert [time > 0 for time in times] == [False, True, True, False]


def test_quantiles() -> None:
    times = empty_times(1000)
    for number in range(1000):
        times[number] = (1000 - number) * 1000
    assert microseconds(times) == 500.5
    assert microseconds(times, 0.999) == 1000
    assert microseconds(times, 1) == 1000


REPORT = """Running 2s test @ http://127.0.0.1:8000/in/demo/
  Latency Distribution
     50%    1.51ms
     99%  {p99}
  9876 requests in 2.00s, 2.10MB read
{more}Requests/sec:   4938.00
"""


@pytest.mark.parametrize(("p99", "milliseconds"), [("2.50ms", 2.5), ("500.00us", 0.5), ("1.50s", 1500.0)])
def test_wrk_is_understood(p99: str, milliseconds: float) -> None:
    assert wrk.parse(REPORT.format(p99=p99, more="")) == wrk.Answered(4938.0, milliseconds)


@pytest.mark.parametrize(
    "more", ["  Non-2xx or 3xx responses: 3\n", "  Socket errors: connect 0, read 1, write 0, timeout 0\n"]
)
def test_failed_requests_are_no_figure(more: str) -> None:
    with pytest.raises(RuntimeError, match=more.strip()):
        wrk.parse(REPORT.format(p99="1.00ms", more=more))


def test_a_core_is_given_back() -> None:
    before = os.sched_getaffinity(0)
    with on_core(0):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_mixed_journal_has_its_events_evenly_spread() -> None:
    entries = list(mixed("BENCH", 5, 1000))
    assert len(entries) == 1000
    found = [index for index, fields in enumerate(entries) if fields["SYSLOG_IDENTIFIER"] == "proppy"]
    assert found == [0, 200, 400, 600, 800]
    assert [entries[index]["PROPPY_ID"].rpartition(":")[2] for index in found] == ["1", "2", "3", "4", "5"]


def test_a_process_is_watched() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in process.children(os.getpid())
        resident, peak = process.memory(child.pid)
        assert 0 < resident <= peak
        wait_for(lambda: all(process.proportional(child.pid)), message="memory of the child")
        assert process.cpu_percent(child.pid, seconds=0.2) < 200
        child.kill()
    assert child.pid not in process.children(os.getpid())
    assert process.proportional(child.pid) == (0, 0)


def test_a_channel_hangs_until_it_is_answered() -> None:
    Hanging.hang()
    with ThreadPoolExecutor() as pool:
        delivery = pool.submit(Hanging("HANGING").deliver, [])
        with pytest.raises(TimeoutError):
            delivery.result(timeout=0.1)
        Hanging.answer()
        delivery.result(timeout=10)


@pytest.mark.slow
def test_what_fails_inside_is_said(lab: Lab) -> None:
    with pytest.raises(RuntimeError, match="unexpected keyword argument 'nonsense'"):
        lab.inside(lab.site(), "idle", nonsense=1)


@pytest.mark.slow
def test_the_command_prints_a_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "hanging"]
    env = bare_env(tmp_path) | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Load average" in done.stdout
    assert "| four channels beside one that hangs |" in done.stdout
    assert "failed" not in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
