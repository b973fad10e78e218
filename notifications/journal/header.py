"""What the file and the memory journal vouch for, as journald does: when an entry was written, and by which process."""

import os
import sys
from functools import cache
from pathlib import Path

import orjson

from notifications.journal.base import decode
from notifications.journal.lines import json_value

_COMM_BYTES = 15  # TASK_COMM_LEN without its NUL


def dump_header(now_us: int) -> bytes:
    """The beginning of a line whose end is `lines.dump_fields`."""
    values = (now_us, os.getpid(), os.getuid(), _comm())
    return b'{"__REALTIME_TIMESTAMP":"%d","_PID":"%d","_UID":"%d","_COMM":%b' % values


@cache
def _comm() -> bytes:
    """The short name of this process, as JSON."""
    return orjson.dumps(json_value(decode(_process_name())))


os.register_at_fork(after_in_child=_comm.cache_clear)


def _process_name() -> bytes:
    try:
        return Path("/proc/self/comm").read_bytes().removesuffix(b"\n")
    except OSError:  # not Linux
        return os.fsencode(os.path.basename(sys.argv[0]))[:_COMM_BYTES] if sys.argv else b""
