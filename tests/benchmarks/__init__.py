"""`python -m tests.benchmarks`: what the engine costs, as ratios to the limits that it is held against."""
