"""How Sphinx makes the documentation: `sphinx-build -W --keep-going -n docs FOLDER`."""

from __future__ import annotations

import sys

import pyffipar

project = "pyffipar"
author = "pyffipar developers"
copyright = author  # noqa: A001 - Sphinx's word
version = release = pyffipar.__version__

extensions = [
    "myst_parser",  # pages are Markdown
    "sphinx.ext.autodoc",  # the API pages are the docstrings
    "numpydoc",
    "sphinx.ext.viewcode",
]

# --- pages
myst_heading_anchors = 3  # [text](page.md#a-heading) as on GitHub
exclude_patterns = ["_build"]

# --- docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say more than the annotations
numpydoc_show_class_members = False  # the API pages say which
numpydoc_class_members_toctree = False
default_role = "autolink"  # `load` in a docstring links where there is something to link to
python_use_unqualified_type_names = True

# No other project's index of names is fetched (no intersphinx), so that the documentation is built the same with and
# without a network. What docstrings say of NumPy's and Python's own names stands there as text.
others = "|".join([*sys.stdlib_module_names, "numpy"])
nitpick_ignore_regex = [("py:obj", rf"({others})(\..*)?")]

# --- output
html_theme = "furo"
html_title = f"pyffipar {release}"
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
