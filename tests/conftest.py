"""Settings of all tests: Hypothesis profiles, shared fits, figures that are closed.

Two Hypothesis profiles. ``ci`` is the default of the ordinary run: few examples, which
are derived from the test itself, so that a run repeats exactly. ``thorough`` draws many
new ones each time; ``HYPOTHESIS_PROFILE=thorough`` or the option
``--hypothesis-profile=thorough`` chooses it, and ``-m "property or thorough"`` runs the
tests that draw examples and further cases of what the ordinary run shows, no others.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Assertions in the modules that tests share explain themselves as those in tests do.
pytest.register_assert_rewrite(
    *(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if not path.stem.startswith(("test_", "conftest"))
    )
)

# A shell lets processes in the background ignore Ctrl-C, which some tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example of a kind compiles its program, which takes a second or two and
# says nothing about the law under test: neither a deadline nor `too_slow` applies.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile(
    "ci", derandomize=True, max_examples=10, stateful_step_count=30, **_COMMON
)
settings.register_profile(
    "thorough", max_examples=40, stateful_step_count=40, **_COMMON
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Compile quickly, and hand topics to the processes in the order of collection.

    pytest-xdist would begin with the files of most tests, and so end with those of few
    but long ones, while one of the processes has nothing left to do. As it is, the
    small doctests come last.
    """
    config.option.loadscopereorder = False
    _compile_quickly()


def _compile_quickly() -> None:
    """Let XLA, in this process and those it starts, spend less on each program.

    Nearly all the time of a test goes into programs that are compiled once and run for
    milliseconds. XLA reads these flags before the first program, and ends the process
    at a flag that it does not know. An empty ``XLA_FLAGS`` compiles as users do, as
    `.ci/run` does for parity with Keras, the documentation and the benchmarks.
    """
    flags = ["--xla_backend_optimization_level=0"]
    if tuple(map(int, version("tensorflow").split(".")[:2])) >= (2, 21):
        flags.append("--xla_cpu_use_fusion_emitters=false")
    os.environ.setdefault("XLA_FLAGS", " ".join(flags))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which -p no:xdist leaves out
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Keep files of one topic together: ``test_law_*.py`` share fits and programs.

    What several files share is made once in each process that runs one of them.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByTopic(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            topic = re.match(r"tests/test_[a-z]+(?=_)", file)
            return topic[0] if topic else file

    return ByTopic(config, log)


@pytest.hookimpl(tryfirst=True)  # before `-m` reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that draws examples with Hypothesis as ``property``."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("property")


@pytest.fixture(scope="session")
def on_rows():
    """A regressor fitted on rows of two features; tests leave it as it is."""
    from bad_input_cases import X, regressor, y

    return regressor().fit(X, y)


@pytest.fixture(scope="session")
def on_windows():
    """A regressor fitted on ready-made windows of three steps; left as it is."""
    from bad_input_cases import WINDOWS, regressor, y

    return regressor().fit(WINDOWS, y[:6])


@pytest.fixture(scope="session")
def on_labels():
    """A classifier fitted on rows with the labels 'down' and 'up'; left as it is."""
    from bad_input_cases import LABELS, X, classifier

    return classifier().fit(X, LABELS)


@pytest.fixture(autouse=True)
def _close_figures():
    """Close the figures of each test that has drawn any."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
