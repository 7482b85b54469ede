"""Test settings: Hypothesis profiles and the ``slow`` mark; no fixtures, no models.

``ci`` (the default) repeats exactly: its examples are derived from the test itself.
``HYPOTHESIS_PROFILE=long python -m pytest`` explores further, with new examples
each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The first example of a kind compiles its program, which takes a second or two and
# says nothing about the law under test: neither a deadline nor `too_slow` applies.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile(
    "ci", derandomize=True, max_examples=15, stateful_step_count=30, **_COMMON
)
settings.register_profile("long", max_examples=400, stateful_step_count=50, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the one mark these tests use; marked tests run by default."""
    config.addinivalue_line("markers", "slow: takes more than five seconds")
