"""What depends on the package from outside: names, version, report of itself."""

from __future__ import annotations

import re
from pathlib import Path

import public_api
import pytest
from helpers import run

import sklstm

ROOT = Path(__file__).parent.parent
LISTED = Path(__file__).parent / "data" / "public_api.txt"


def test_public_api_is_the_listed_one():
    """A change of it must be meant: `python tests/public_api.py` writes the list."""
    assert list(public_api.lines()) == LISTED.read_text().splitlines()


def test_public_calls_have_types_throughout():
    """Else mypy --strict counts them as untyped, in the script of a user.

    `tests/typed_use.py` is such a script, which `.ci/run` checks.
    """
    assert list(public_api.unannotated()) == []


@pytest.mark.thorough
def test_main_prints_what_a_report_needs(tmp_path):
    (tmp_path / "a program").write_bytes(bytes(2**20))
    done = run("import sklstm.__main__ as m; m.main()", SKLSTM_CACHE=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    facts = dict(re.split("  +", line, maxsplit=1) for line in done.stdout.splitlines())
    assert facts["sklstm"] == sklstm.__version__
    assert {"python", "tensorflow", "keras", "numpy", "pandas"} <= set(facts)
    assert facts["kept programs"] == f"1 in {tmp_path}, 1.0 MB"
    assert "CPU:0" in facts["devices"]


NO_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # importing it fails
import sklstm.__main__ as m
m.main()
"""


def test_main_reports_a_tensorflow_that_cannot_be_imported():
    done = run(NO_TENSORFLOW)
    assert done.returncode == 0
    assert "TensorFlow cannot be used: ModuleNotFoundError" in done.stdout


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_version_is_the_same_everywhere(file):
    path = ROOT / file
    if not path.exists():
        pytest.skip("not in a checkout")
    assert re.search(rf"\b{re.escape(sklstm.__version__)}\b", path.read_text())
