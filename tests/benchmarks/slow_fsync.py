"""A disk as clouds have them: a library for LD_PRELOAD in which each fsync takes some milliseconds at least."""

import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    long long until = now() + atoll(getenv("FSYNC_MS")) * 1000000LL;
    int result = real(fd);
    struct timespec t = {until / 1000000000LL, until % 1000000000LL};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
"""


def slow_fsync(folder: Path, milliseconds: int) -> dict[str, str]:
    """The environment of a process for which it takes so long. The library is made in `folder`."""
    library = folder / "slow_fsync.so"
    if not library.exists():
        folder.chmod(0o711)  # the user of PostgreSQL loads it, too
        source = library.with_suffix(".c")
        source.write_text(SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "FSYNC_MS": str(milliseconds)}
