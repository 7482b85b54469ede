"""README.md, the pages in `docs/` and docstrings: complete, and all code is executed.

The build of the pages executes their code and checks links; see CONTRIBUTING.md.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import sklstm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md")) + sorted(DOCS.glob("gallery/*.md"))
README = (ROOT / "README.md").read_text()

#: Names that other folders of the package import from there, and users do not.
INNER = {
    "streaming": {"BAGS", "Composite", "Network", "find_id_columns"},
    "persistence": {"describe", "load", "read", "rebuild", "save", "write"},
}
#: Where the documentation shows what is public in several places, or nowhere else.
HOMES = {"regressor", "classifier", "data"}


def public_objects() -> dict[str, object]:
    """All that is public, by its name with the module it is shown at."""
    found = {f"sklstm.{name}": getattr(sklstm, name) for name in sklstm.__all__}
    for module in pkgutil.iter_modules(sklstm.__path__):
        if module.name.startswith("_") or module.name in HOMES:
            continue
        home = importlib.import_module(f"sklstm.{module.name}")
        for name in set(home.__all__) - INNER.get(module.name, set()):
            if not any(getattr(home, name) is other for other in found.values()):
                found[f"sklstm.{module.name}.{name}"] = getattr(home, name)
    return found


def public_methods() -> dict[str, object]:
    """Methods of both estimators that this package defines."""
    found = {}
    for cls in (sklstm.StatefulLSTMRegressor, sklstm.StatefulLSTMClassifier):
        for name, method in inspect.getmembers_static(cls):
            inside = getattr(method, "__func__", method)
            if name.startswith("_") or not inspect.isfunction(inside):
                continue
            if inside.__module__.startswith("sklstm"):
                found[f"{cls.__name__}.{name}"] = inside
    return found


def test_api_reference_lists_every_public_name():
    listed: set[str] = set()
    for page in sorted((DOCS / "api").glob("*.rst")):
        module = ""
        for line in page.read_text().splitlines():
            if line.startswith(".. currentmodule::"):
                module = line.split()[-1]
            elif line.startswith(".. toctree::"):
                module = ""
            elif re.fullmatch(r"   [\w.]+", line) and module and find_spec(module):
                listed.add(f"{module}.{line.strip()}")
    by_name = {name.rpartition(".")[2] for name in listed}
    wanted = {name.rpartition(".")[2] for name in public_objects()}
    assert by_name == wanted
    for name in listed:
        home, _, last = name.rpartition(".")
        assert getattr(importlib.import_module(home), last).__doc__


@pytest.mark.parametrize("name", sorted(public_objects()))
def test_public_class_or_function_has_an_example(name):
    assert ">>>" in inspect.getdoc(public_objects()[name])


@pytest.mark.parametrize("name", sorted(public_methods()))
def test_public_method_of_the_estimators_has_an_example(name):
    assert ">>>" in inspect.getdoc(public_methods()[name])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_is_executed_by_the_build(page):
    kinds = set(re.findall(r"^```(\S+)", page.read_text(), re.MULTILINE))
    # Shell commands are those of README.md, which `.ci/run` takes from there.
    assert kinds <= {"{code-cell}", "{toctree}", "{include}", "sh"}
    if "{code-cell}" in kinds:
        assert page.read_text().startswith("---\nfile_format: mystnb\n")


def test_pages_are_in_a_table_of_contents():
    contents = (DOCS / "index.md").read_text()
    for page in set(PAGES) - {DOCS / "index.md"}:
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert f"\n{name}\n" in contents


def test_gallery_shows_every_example():
    contents = (DOCS / "gallery" / "index.md").read_text()
    for example in (ROOT / "examples").glob("*.py"):
        assert f"\n{example.stem}\n" in contents


def test_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 120
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_code_of_the_readme_is_executed_on_a_page():
    executed = re.findall(
        r"```\{code-cell\}\n(.*?)```", (DOCS / "start.md").read_text(), re.DOTALL
    )
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    assert all(block in executed for block in blocks)
    commands = [line for line in README.splitlines() if line.startswith("python -m")]
    assert all(line in (DOCS / "start.md").read_text() for line in commands)


def test_results_of_the_readme_stand_in_the_benchmarks():
    benchmarks = (DOCS / "benchmarks.md").read_text()
    table = README[README.index("## Five results") : README.index("## Where to read")]
    for figure in re.findall(r"\d+\.\d+", table):
        assert figure in benchmarks
