"""proppy-restart: applies changed settings, one service after the other, without refusing a request."""

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import Failed, Machine, alone, require_root, to_exit


def main() -> None:
    require_root()
    machine, release = Machine(), releases.current()
    if release is None:
        raise Failed("Nothing is installed here: run deploy/install first.")
    with alone():
        sandbox.check(machine, release)  # invalid settings would stop one service after the other
        services.start(machine)


if __name__ == "__main__":
    to_exit(main)
