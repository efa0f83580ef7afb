"""The documentation site. Its sources are all documents of the repository, where they are: so each
fact has one place, read on the site and in the checkout alike.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from calogan import __version__

project = "calogan"
author = "The calogan developers"
copyright = "The calogan developers"
version = release = __version__

extensions = [
    "myst_nb",
    "site_parts",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
]
# Paths start from the root of the repository.
include_patterns = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "README.md",
    "benchmarks/*.md",
    "cpp_examples/**README.md",
    "data/**.md",
    "docs/**.md",
    "export/README.md",
]
exclude_patterns = [".git", ".venv", "build", "dist", "runs"]
root_doc = "docs/index"

myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True

# What stands between backquotes in docstrings is code.
default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"calogan {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_root"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
