"""Who said it: what other users of the machine write is told as theirs or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from notifications.events import emit, encoding
from tests.support.journald import JournaldNamespace
from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.tell_nobody import NOBODY, Nobody
from tests.support.telling import Telling
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

MARK: Final = "(unknown author) "
Fields = tuple[tuple[str, str | bytes], ...]


@pytest.fixture
def telling(site: Site, journald: JournaldNamespace, slack: FakeSlack) -> Iterator[Telling]:
    telling = Telling(site, journald, slack)
    site.env["TELL_INTERVAL"] = "0.05"
    site.migrate()
    site.start("follow_journal")
    yield telling
    assert site.terminate("follow_journal") == 0
    telling.end()


@pytest.fixture
def nobody(telling: Telling) -> Nobody:
    return Nobody(telling.journald)


def texts(telling: Telling) -> list[str]:
    return [message["text"] for message in telling.slack.messages]


def assert_told(telling: Telling, nobody: Nobody, *expected: str) -> None:
    """Just these, in any order, once all that was written before has been read."""
    telling.tell()
    nobody.send(("MESSAGE", "SLACK: a last line"))
    last = {f"number {telling.count - 1}", f"{MARK}a last line"}
    wait_for(lambda: last <= set(texts(telling)), message=str(last))
    assert sorted(texts(telling)) == sorted([*expected, *last])


def forged(telling: Telling) -> Iterator[Fields]:
    """Entries of another user that look like events of the site."""
    telling.tell()
    wait_for(lambda: texts(telling) == ["number 0"])
    numbers = iter(range(2, 99))
    written = telling.journald.journalctl("-o", "cat", "--output-fields=PROPPY_ID", "PROPPY_EVENT=SLACK")
    token = written.partition(":")[0]
    ids = (("PROPPY_ID", f"{token}:{number}") for number in numbers)
    event: Fields = (("MESSAGE", "SLACK: forged"), ("PROPPY_EVENT", "SLACK"), ("PRIORITY", "6"))
    us = str(os.getuid())
    for extra in (
        (("_UID", "0"),),
        (("_UID", us), ("_PID", str(os.getpid())), ("_UID", us)),
        (("UID", "0"), ("OBJECT_UID", "0"), ("__CURSOR", "s=0"), ("__REALTIME_TIMESTAMP", "1")),
        (("PROPPY_EVENT", "SLACK"), ("MESSAGE", "SLACK: forged, too")),
        (("PROPPY_DATA", b'{"digest": {"count": 7}}\n\0'),),
    ):
        yield (*event, next(ids), *extra)
    yield ("MESSAGE", "SLACK: forged"), ("PROPPY_EVENT", "")
    yield ("MESSAGE", "SLACK: forged"), ("PROPPY_EVENT", b"\xff\n\0")
    yield ("MESSAGE", "SLACK: forged"), ("PROPPY_EVENT", "NOBODYS")
    yield ("MESSAGE", "LOST: forged"), ("PROPPY_EVENT", "LOST"), ("PROPPY_DATA", '{"count": 5}'), next(ids)
    yield ("MESSAGE", "END: forged"), ("PROPPY_EVENT", "END"), ("PROPPY_ID", f"{token}:1000000")


def test_no_structured_event_can_be_forged(telling: Telling, nobody: Nobody) -> None:
    entries = list(forged(telling))
    for fields in entries:
        nobody.send(*fields)
    assert_told(telling, nobody, "number 0")
    refused = f"SELECT sum(count) FROM notifications_refusal WHERE author = 'uid {NOBODY.pw_uid}'"
    wait_for(lambda: telling.rows(refused) == [(len(entries),)], message="they are counted")
    assert telling.rows("SELECT * FROM notifications_loss") == []


LINES: Final[dict[str | bytes, str]] = {
    "SLACK: <!channel> <@U1> <https://evil.example|your bank> &": (
        "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|your bank&gt; &amp;"
    ),
    "SLACK: a\nAda signed up\n\nSLACK: b": "a Ada signed up SLACK: b",
    "SLACK: \u202egnp.\u2066 \u200ea": "gnp. a",
    b"SLACK: a\x1b[31m\xff\0b\r": "a[31mb",
    "SLACK: " + "é" * 5000: "é" * 3979 + " […]",
    "SLACK: \nPROPPY_EVENT=SLACK\n_UID=0": "PROPPY_EVENT=SLACK _UID=0",
    f"SLACK: {MARK}": MARK.strip(),
}


def test_lines_of_anybody_are_told_once_escaped_and_marked(telling: Telling, nobody: Nobody) -> None:
    told = []
    for line, text in LINES.items():
        nobody.send(("MESSAGE", line))
        told.append(MARK + text)
        wait_for(lambda: texts(telling) == told, message=repr(line))
    nobody.send(("MESSAGE", "SLACK: once"), ("MESSAGE", "SLACK: twice"))
    nobody.log("SLACK: logged <b>")
    told += [f"{MARK}once", f"{MARK}logged &lt;b&gt;"]
    wait_for(lambda: texts(telling) == told)
    assert_told(telling, nobody, *told)


def test_what_is_no_line_of_a_channel_is_not_told(telling: Telling, nobody: Nobody) -> None:
    for line in ("slack: x", "SLACK:x", " SLACK: x", "xSLACK: x", f"{'X' * 33}: x", "NOBODYS: x", "WEBHOOK: x", ""):
        nobody.send(("MESSAGE", line))
    nobody.send(("PRIORITY", "1"))
    nobody.send(("message", "SLACK: x"), ("_MESSAGE", "SLACK: x"), ("MESSAGE", b"\xff" * 9000))
    assert_told(telling, nobody)


def test_two_megabytes_of_emoji_stop_nothing(telling: Telling, nobody: Nobody) -> None:
    """In any field, also so that journalctl prints each byte as a number."""
    emoji = "SLACK: " + "😀" * 500_000
    nobody.send(("MESSAGE", emoji))
    nobody.send(("MESSAGE", emoji.encode() + b"\xff"))
    nobody.send(("MESSAGE", "SLACK: small"), ("PROPPY_DATA", emoji))
    nobody.send(("MESSAGE", "SLACK: forged"), ("PROPPY_EVENT", emoji), ("_UID", "0"))
    nobody.send(*[("MESSAGE", "SLACK: forged")] * 3, ("PROPPY_EVENT", "SLACK"), *[("PROPPY_ID", "x" * 900)] * 900)
    nobody.send(*[("X" + str(n), "x" * 900) for n in range(900)], ("MESSAGE", "SLACK: many fields"))
    assert_told(telling, nobody, f"{MARK}many fields")
    assert telling.rows("SELECT * FROM notifications_loss") == []


NAME: Final = "Ada\nMESSAGE=SLACK: forged\nPROPPY_EVENT=SLACK\n_UID=0\nSLACK: forged\n\u202e<!here>"


def test_a_users_name_is_one_message(telling: Telling, nobody: Nobody) -> None:
    telling.outbox.write(emit.new_entry("SLACK", f"{NAME} signed up", encoding.dump_data({"name": NAME})))
    wait_for(lambda: texts(telling))
    assert_told(telling, nobody, NAME.replace("\u202e<!here>", "&lt;!here&gt; signed up"))
    written = telling.journald.journalctl("-o", "cat", "--output-fields=_UID,PROPPY_EVENT", "PROPPY_EVENT=SLACK")
    assert written.split() == [str(os.getuid()), "SLACK"] * 2 or written.split() == ["SLACK", str(os.getuid())] * 2


def test_a_huge_entry_of_bytes_takes_neither_memory_nor_time(telling: Telling, nobody: Nobody) -> None:
    """As JSON each byte is up to four, after a variant of 40 bytes in journalctl's memory."""
    telling.tell()
    wait_for(lambda: "number 0" in texts(telling) and telling.journald.journalctls())
    nobody.send(("MESSAGE", b"SLACK: \xff" + "😀".encode() * 5_000_000))
    assert_told(telling, nobody, "number 0")
    assert max(map(peak_memory, telling.journald.journalctls())) < 200 * 1024 * 1024


def peak_memory(pid: int) -> int:
    """Bytes, at most, in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_flood_of_anybodys_lines_holds_up_no_event(telling: Telling, nobody: Nobody) -> None:
    for _ in range(20):
        nobody.send(("MESSAGE", "SLACK: flood"))
    telling.tell()
    wait_for(lambda: "number 0" in texts(telling), timeout=3)
