"""What runs in a process of the engine's own: `python -m tests.benchmarks.inside MODULE ARGUMENTS`.

Each module has a `run(**arguments)` that gives numbers by name.
"""
