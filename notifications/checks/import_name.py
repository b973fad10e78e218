"""A check that nothing else is installed under our import name, hidden by us."""

from typing import Any, Final

from django.core.checks import CheckMessage, Error

from notifications.utils.import_name import ADVICE, others


def check_import_name(**_: Any) -> list[CheckMessage]:
    """Its own users would import ours instead."""
    return [
        Error(f"{name} is hidden: `import notifications` gives proppy's.", hint=ADVICE, id="notifications.E030")
        for name in others()
    ]


CHECKS: Final = (check_import_name,)
