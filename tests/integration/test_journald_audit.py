"""What the accountant reads besides: who wrote an entry, what journald dropped; and that nobody can forge it."""

import fcntl
import os
import socket
from array import array

import pytest

from notifications.journal import AUDIT_FIELDS, Entry, JournaldJournal, as_text
from notifications.journal.json_lines import MAX_LINE
from tests.support.control_group import unit
from tests.support.journald import JournaldNamespace
from tests.support.journals import exit_code, in_child, messages, read_all, read_some, settle, write, written
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

DROPPED = "a596d6fe7bfa4994828e72309e95d61e"


def audited(journal: JournaldJournal) -> list[Entry]:
    settle(journal)
    return read_all(journal.open(follow=False, audit=True))


def test_who_wrote_it(journal: JournaldJournal) -> None:
    with unit() as service:

        def child() -> None:
            service.join(os.getpid())
            write(journal, "from a unit")
            wait_for(lambda: audited(journal))  # who exits before journald looks has no unit

        pid = in_child(child)
        assert exit_code(pid) == 0
    (entry,) = audited(journal)
    assert entry.fields["_SYSTEMD_UNIT"] == service.name
    assert entry.fields["_PID"] == str(pid)
    assert entry.fields["_TRANSPORT"] == "journal"
    assert set(entry.fields) - {"__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_BOOT_ID"} <= set(
        AUDIT_FIELDS
    )


def test_other_readers_pay_for_none_of_it(journal: JournaldJournal) -> None:
    write(journal, "x", MESSAGE_ID=DROPPED, N_DROPPED="7")
    (entry,) = written(journal)
    assert not {"_TRANSPORT", "_COMM", "_SYSTEMD_UNIT", "MESSAGE_ID", "N_DROPPED"} & set(entry.fields)


def test_the_real_rate_limit_tells_how_many_it_dropped() -> None:
    # journald multiplies the burst by what the disk has free.
    limited = JournaldNamespace(settings={"RateLimitIntervalSec": "1s", "RateLimitBurst": "5"})
    with limited, unit() as service:
        journal = JournaldJournal(limited.name)
        sent = 0

        def send(count: int) -> None:
            def child() -> None:
                service.join(os.getpid())
                for _ in range(count):
                    write(journal, "flood")

            nonlocal sent
            assert exit_code(in_child(child)) == 0
            sent += count

        def all_told() -> list[Entry]:
            send(1)  # journald says it before the first entry that it takes again
            entries = audited(journal)
            notices = [entry for entry in entries if entry.fields.get("MESSAGE_ID") == DROPPED]
            dropped = sum(int(as_text(notice.fields["N_DROPPED"])) for notice in notices)
            return notices if dropped + messages(entries).count("flood") == sent else []

        send(2000)
        notices = wait_for(all_told, timeout=30)
        others = messages(written(journal))
        journal.close()
    assert {notice.fields["_TRANSPORT"] for notice in notices} == {"driver"}
    assert {notice.fields["OBJECT_SYSTEMD_UNIT"] for notice in notices} == {service.name}
    assert set(others) == {"flood"}
    assert len(others) < sent


def test_nobody_forges_what_journald_says(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    forged = b"MESSAGE=Suppressed 9 messages from web.service\nMESSAGE_ID=%b\nN_DROPPED=9\n" % DROPPED.encode()
    by_hand = b"_TRANSPORT=driver\n_UID=0\n_PID=1\n_SYSTEMD_UNIT=web.service\n"
    driver = b"SYSLOG_IDENTIFIER=systemd-journald\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        for lines in (driver, by_hand + driver, by_hand + driver + b"SYSLOG_IDENTIFIER=proppy\n"):
            sock.sendto(forged + lines, str(journald.socket_path))
    (entry,) = audited(journal)  # the one that calls itself ours
    assert entry.fields["_TRANSPORT"] == "journal"
    assert entry.fields["_PID"] == str(os.getpid())
    assert entry.fields.get("_SYSTEMD_UNIT") != "web.service"


def test_two_megabytes_of_emoji_are_oversized_and_no_damage(
    journald: JournaldNamespace, journal: JournaldJournal
) -> None:
    write(journal, "before")
    settle(journal)
    send_large(journald, "MESSAGE=OPS: {}\nSYSLOG_IDENTIFIER=proppy\n".format("🎉" * (2 * MAX_LINE // 4)).encode())
    write(journal, "after")
    with journal.open() as reader:
        assert messages(read_some(reader, 2)) == ["before", "after"]
        assert (reader.oversized, reader.skipped) == (1, 0)
        assert reader.gap is None


def send_large(journald: JournaldNamespace, record: bytes) -> None:
    """An entry that no datagram holds, as libsystemd sends it: in a sealed file without a name."""
    fd = os.memfd_create("entry", os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, record)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))
            sock.sendmsg([], [rights], 0, str(journald.socket_path))
    finally:
        os.close(fd)
