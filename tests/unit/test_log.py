"""Which payload a log line belongs to."""

import logging
import threading

from notifications.log import PayloadFilter, handling
from notifications.models import RawPayload


def line(name: str = "shop.handlers") -> str:
    record = logging.LogRecord(name, logging.INFO, "", 0, "counted", None, None)
    assert PayloadFilter().filter(record)
    return logging.Formatter("%(name)s%(payload)s: %(message)s").format(record)


def test_names_payload_and_attempt_in_the_block_alone() -> None:
    payload = RawPayload(source="stripe", attempts=2)
    before = line()
    with handling(payload):
        inside = line()
        seen: list[str] = []
        other = threading.Thread(target=lambda: seen.append(line()))
        other.start()
        other.join()
        ours = line("notifications.process_raw.handle_payload")
    assert inside == f"shop.handlers [stripe {payload.receipt} attempt 2]: counted"
    assert [before, line(), *seen] == ["shop.handlers: counted"] * 3, "another thread handles something else"
    assert ours == "notifications.process_raw.handle_payload: counted", "its lines name the payload themselves"
