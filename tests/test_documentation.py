"""README.md, the pages in `docs/` and docstrings: complete, and all code is executed.

The build of the pages executes their code and checks links; see CONTRIBUTING.md.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import sklstm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md")) + sorted(DOCS.glob("gallery/*.md"))
README = (ROOT / "README.md").read_text()

#: What has its example where it is made, or at the method that it makes shorter.
SHOWN_BY_OTHERS = {"fit_transform", "Predictor", "ClassifierPredictor"}
MODULES = {"sklstm"} | {
    f"sklstm.{m.name}" for m in pkgutil.iter_modules(sklstm.__path__)
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
        for name in home.__all__:
            if not any(getattr(home, name) is other for other in found.values()):
                found[f"sklstm.{module.name}.{name}"] = getattr(home, name)
    return found


def public_methods() -> dict[str, object]:
    """Methods of both estimators that this package defines."""
    found = {}
    for cls in (sklstm.StatefulLSTMRegressor, sklstm.StatefulLSTMClassifier):
        for name in dir(cls):
            method = inspect.getattr_static(cls, name)
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
            elif re.fullmatch(r"   [\w.]+", line) and module in MODULES:
                listed.add(f"{module}.{line.strip()}")
    by_name = {name.rpartition(".")[2] for name in listed}
    wanted = {name.rpartition(".")[2] for name in public_objects()}
    assert by_name == wanted
    for name in listed:
        home, _, last = name.rpartition(".")
        assert getattr(importlib.import_module(home), last).__doc__


def test_public_names_and_methods_of_the_estimators_have_an_example():
    named = {**public_objects(), **public_methods()}
    lacking = {name for name in named if ">>>" not in inspect.getdoc(named[name])}
    assert {name.rpartition(".")[2] for name in lacking} <= SHOWN_BY_OTHERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_is_executed_by_the_build(page):
    kinds = set(re.findall(r"^```(\S+)", page.read_text(), re.MULTILINE))
    # Shell commands install; `.ci/run` runs those of README.md.
    assert kinds <= {"{code-cell}", "{toctree}", "{include}", "sh"}
    if "{code-cell}" in kinds:
        assert page.read_text().startswith("---\nfile_format: mystnb\n")


def test_pages_are_in_a_table_of_contents():
    contents = "".join(page.read_text() for page in DOCS.glob("*.md"))
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
