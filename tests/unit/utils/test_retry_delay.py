from hypothesis import given
from hypothesis import strategies as st

from notifications.utils.retry_delay import backoff

bounds = st.floats(0.001, 1000)


@given(st.integers(-5, 10**9), bounds, bounds)
def test_stays_in_its_bounds(attempt: int, base: float, cap: float) -> None:
    assert 0.5 * min(base, cap) <= backoff(attempt, base=base, cap=cap) <= cap


@given(st.integers(1, 11))
def test_doubles(attempt: int) -> None:
    assert 2 ** (attempt - 2) <= backoff(attempt) <= 2 ** (attempt - 1)


def test_scatters() -> None:
    assert len({backoff(5) for _ in range(20)}) > 10
