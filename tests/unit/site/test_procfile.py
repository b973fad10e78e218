"""The processes of `make run`, started as it starts them, with programs that only tell how they were started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.child import BASE_DIR, BIN
from tests.support.wait import wait_for

#: Stands for python and gunicorn: its nice, and that of its session, where the kernel groups them.
TELLS: Final = """#!/bin/sh
for name; do :; done
echo "$(nice) $(cat /proc/$$/autogroup 2> /dev/null)" > "$TOLD/.$name"
mv "$TOLD/.$name" "$TOLD/$name"
exec sleep 600
"""


@pytest.mark.skipif(sys.platform != "linux", reason="autogroups are Linux's")
def test_requests_have_the_processor_before_the_workers(tmp_path: Path) -> None:
    programs, told = tmp_path / "bin", tmp_path / "told"
    told.mkdir()
    programs.mkdir()
    for name in ("python", "gunicorn"):
        (programs / name).write_text(TELLS)
        (programs / name).chmod(0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "TOLD": str(told)}
    command = [str(BIN / "honcho"), "start", "-e", os.devnull, "-f", str(BASE_DIR / "Procfile")]
    process = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: {each.name for each in told.iterdir()} >= {"process_raw", "follow_journal"}, timeout=30)
        wait_for(lambda: (told / "proppy.wsgi:application").exists(), timeout=30)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    nice = {each.name: each.read_text().split() for each in told.iterdir()}
    assert {name: words[0] for name, words in nice.items()} == {
        **dict.fromkeys(("process_raw", "follow_journal"), "10"),
        "proppy.wsgi:application": "0",
    }
    # honcho gives each a session of its own, and between sessions only this counts.
    groups = {words[-1] for name, words in nice.items() if name != "proppy.wsgi:application" and len(words) > 1}
    assert groups <= {"10"}
    assert bool(groups) == Path("/proc/self/autogroup").exists()
