import pytest

from notifications.channels import Unavailable
from notifications.http.retry_after import LONGEST


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, None), (5, 5), (-1.0, 0.0), (float("inf"), LONGEST), (float("nan"), 1.0)]
)
def test_any_channel_may_ask_for_a_year_at_most(asked: float | None, seconds: float | None) -> None:
    assert Unavailable("later", retry_after=asked).retry_after == seconds
