"""How Sphinx builds the documentation: ``python -m sphinx docs docs/_build``.

MyST-NB executes the code of the pages and of the examples, which are notebooks in
jupytext's percent format. So one tool runs all code, an error in it fails the build,
and the examples stay scripts that anybody can run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import sklstm

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
GALLERY = HERE / "gallery"

# Kernels inherit these. Set QUICK to nothing, and examples run at their full length.
os.environ.setdefault("QUICK", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

for old in GALLERY.glob("*.py"):
    old.unlink()
for example in EXAMPLES.glob("*.py"):
    shutil.copy2(example, GALLERY)  # Sphinx reads files below `docs/` only

project = "sklstm"
author = "the authors of sklstm"
copyright = f"{author}, BSD-3-Clause"  # shown at the foot of each page
version = release = sklstm.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_design",
]
exclude_patterns = ["_build", "*.py", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]
default_role = "autolink"  # `fit` in a docstring: a link where there is such a name
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(sklearn|keras|matplotlib|numpy|pandas|joblib)\..*"),
    # Attributes, which the page of their class describes, and a method of scikit-learn.
    ("py:obj", r"([a-z_]+_|position|last_seen|last_output|set_output)"),
]

html_theme = "pydata_sphinx_theme"
html_title = "sklstm"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["sklstm.css"]
html_sidebars = {page: [] for page in ("index", "start")}
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"  # a page runs again where its own code has changed
nb_execution_in_temp = True  # examples write pictures to the current folder
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_output_stderr = "remove"  # progress bars, and what TensorFlow prints at its start
nb_merge_streams = True

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings have the types
numpydoc_show_class_members = False  # the template of classes lists methods itself
numpydoc_class_members_toctree = False

OF_SCIKIT_LEARN = {"get_metadata_routing", "get_params", "set_params"}


def skip_what_others_document(app, what, name, value, skip, options):
    """Leave out methods that scikit-learn and scikeras bring, and exceptions' own."""
    is_request = name.startswith("set_") and name.endswith("_request")
    home = getattr(value, "__module__", None) or ""
    is_foreign = home.startswith(("sklearn", "scikeras")) or name == "with_traceback"
    return True if is_request or name in OF_SCIKIT_LEARN or is_foreign else None


def setup(app):
    """Connect to Sphinx's events."""
    app.connect("autodoc-skip-member", skip_what_others_document)
