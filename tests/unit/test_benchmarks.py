"""Each benchmark runs and yields the rows that it promises. What it measures is no assertion."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.benchmarks import process, rows, wrk
from tests.benchmarks.channels import Hanging
from tests.benchmarks.journal import mixed
from tests.benchmarks.lab import Lab, on_core
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, at_least, at_most, markdown, reported, unmeasured
from tests.benchmarks.timing import empty_times, microseconds, time_each
from tests.support.child import BASE_DIR, bare_env
from tests.support.wait import wait_for

#: Those that have rows which need nothing of a machine.
MEASURES_SQLITE = {"keep", "process_raw", "idle", "claim_cost", "backlog", "memory", "admin"}
FIGURE = re.compile(r"\d[\d,.]* (x|ms|a second|MB|messages?)")


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
        ("keep", 3),
        ("post", 4),
        ("process_raw", 2),
        ("idle", 1),
        ("claim_cost", 2),
        ("backlog", 4),
        ("memory", 2),
        ("follow_journal", 1),
        ("to_slack", 1),
        ("catch_up", 3),
        ("slack_down", 1),
        ("slack_limits", 1),
        ("hanging", 1),
        ("admin", 2),
        ("away", 3),
    ],
)
def test_a_benchmark_measures(lab: Lab, name: str, count: int) -> None:
    measured = list(rows.BENCHMARKS[name](lab))
    assert len(measured) == count
    for row in measured:
        assert FIGURE.fullmatch(row.measured), row
        assert float(re.sub(r"[^\d.]", "", row.measured)) > 0
        assert row.reach
        assert row.numbers


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
    assert at_most("p", "l", 1.5, 1.5, "n") == Row("p", "l", "<= 1.5 x", "1.5 x", True, "n")
    assert at_most("p", "l", 1.51, 1.5, "n").reached is False
    assert at_least("p", "l", 0.8, 0.8, "n") == Row("p", "l", ">= 0.80 x", "0.8 x", True, "n")
    assert at_least("p", "l", 0.79, 0.8, "n").reached is False
    assert reported("p", "l", 9.0, "n").reached is None


def test_the_table_is_markdown() -> None:
    table = markdown([at_most("`emit()`", "sendto", 2.0, 1.5, "20 µs"), unmeasured("post", "needs wrk")])
    head, rule, missed, absent = table.splitlines()
    assert {line.count("|") for line in (head, rule, missed, absent)} == {7}
    assert set(rule) == set("| -")
    assert missed == "| `emit()` | sendto | <= 1.5 x | 2 x | **missed** | 20 µs |"
    assert "not measured" in absent
    assert "needs wrk" in absent


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
        assert process.cpu_percent(child.pid, 0.2) < 200
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
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "idle"]
    env = bare_env(tmp_path) | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Load average" in done.stdout
    assert "| enqueue to start, idle |" in done.stdout
    assert "failed" not in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
