"""Who works: a process as the records of its work name it, and a person at a terminal."""

import getpass
import os


def worker_name() -> str:
    """This process: its machine and its id, such as "shop1 4711"."""
    return f"{os.uname().nodename} {os.getpid()}"


def shell_user(command: str) -> str:
    """The person who runs a command, such as "ada (replay_raw)": under sudo, who logged in at the terminal."""
    for name in (os.getlogin, getpass.getuser):
        try:
            return f"{name()} ({command})"
        except (KeyError, OSError):  # no terminal; a user id without a name
            continue
    return f"user {os.getuid()} ({command})"
