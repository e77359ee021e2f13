"""How property tests run here: the same examples each time, as long as they need."""

from hypothesis import HealthCheck, settings


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


def examples(count: int) -> settings:
    """Return the settings of a property test of so many examples."""
    return settings(max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)
