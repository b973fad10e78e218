"""A product's process that keeps: `python -m tests.support.keep_many PREFIX COUNT` keeps PREFIX-0, PREFIX-1, …"""

import sys

import django

django.setup()

from notifications import keep  # noqa: E402

prefix, count = sys.argv[1:]
for number in range(int(count)):
    keep("count", f"{prefix}-{number}".encode())
