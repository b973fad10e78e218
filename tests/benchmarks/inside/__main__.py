"""Runs one measurement with the settings of the environment, and prints its numbers as JSON."""

import json
import sys
from importlib import import_module

import django


def main(module: str, arguments: str) -> None:
    django.setup()
    numbers = import_module(f"tests.benchmarks.inside.{module}").run(**json.loads(arguments))
    print(json.dumps(numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
