"""What slack_sdk raises where no answer of Slack's came."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Final
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

from notifications.channels.base import Unavailable
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line

#: What slack_sdk raises for answers that are not Slack's.
NONSENSE: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


@contextmanager
def reached() -> Iterator[None]:
    """In the block Unavailable is raised if Slack was not reached; SlackApiError is an answer of Slack's."""
    try:
        yield
    except SlackApiError:
        raise
    except (SlackClientError, HTTPException, OSError) as error:
        raise _unavailable("Slack cannot be reached", error) from error
    except NONSENSE as error:
        raise _unavailable("Slack's answer is invalid", error) from error


def _unavailable(what: str, error: Exception) -> Unavailable:
    traceback.clear_frames(error.__traceback__)  # slack_sdk leaves its connection to the garbage collector
    cause = error.reason if isinstance(error, URLError) else error
    why = graphemes.first(one_line(str(cause)), 200)  # a server may have written a part of it
    return Unavailable(f"{what}: {why or type(error).__name__}")
