"""proppy-restart: takes up changed settings, one service after the other, and refuses nobody."""

from deploy.operate import services
from deploy.operate.machine import Machine, alone, require_root, to_exit


def main() -> None:
    require_root()
    with alone():
        services.start(Machine())


if __name__ == "__main__":
    to_exit(main)
