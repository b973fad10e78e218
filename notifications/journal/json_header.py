"""The fields that the file and the memory journal set themselves, like journald: time, process and user of an entry."""

import os
import sys
from functools import cache
from pathlib import Path

import orjson

from notifications.journal.base import decode
from notifications.journal.json_lines import json_value

_COMM_BYTES = 15  # TASK_COMM_LEN without its NUL


def dump_header(now_us: int) -> bytes:
    """Returns the beginning of a line. `json_lines.dump_fields` returns its end."""
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
