"""`make bench-peers`: other queues beside ours, in one run, with their defaults."""
