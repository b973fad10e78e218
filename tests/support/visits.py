"""Visitors of a stock project: each visit reads, writes and keeps in one transaction. Run in a project's process.

Arguments: how many visits, and the seconds from one to the next. Prints the errors, by their text, as JSON.
"""

import json
import sys
import time
import uuid
from collections import Counter

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import OperationalError, transaction  # noqa: E402

from notifications import emit, keep  # noqa: E402


def visit() -> None:
    """What a view does."""
    with transaction.atomic():
        number = User.objects.count()
        User.objects.create(username=uuid.uuid4().hex, first_name=str(number))
        keep("order", b"%d" % number)
        emit("SLACK", f"order {number}")
        emit("REPORT", "order")


def main(count: int, pause: float) -> None:
    errors = Counter[str]()
    for _ in range(count):
        try:
            visit()
        except OperationalError as error:
            errors[str(error)] += 1
        time.sleep(pause)
    print(json.dumps(errors))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
