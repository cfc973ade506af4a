"""The documentation: ``sphinx-build -W -n docs build/docs``, after ``pip install '.[docs]'``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import matplotlib as mpl

import fastepll

mpl.use("Agg")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

import slider  # noqa: E402
from torch_peers import declare_torchvision_operators  # noqa: E402

declare_torchvision_operators()  # for deepinv
warnings.filterwarnings("ignore", module="deepinv|torchmetrics")

project = "fastepll"
author = "The fastepll developers"
copyright = author
release = version = fastepll.__version__.partition("+")[0]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["generated/gallery/**/*.py.md5", "gallery/**", "_templates"]
templates_path = ["_templates"]
default_role = "autolink"  # `fastepll.denoise` is a link, `sigma` is set in italics
nitpicky = True
# Docstrings name neighbours in their own module without its path: set in italics, not linked.
nitpick_ignore_regex = [("py:obj", r"(?!fastepll\.).*")]

autodoc_typehints = "none"  # numpydoc's Parameters have them in words
autodoc_member_order = "bysource"
autosummary_ignore_module_all = False
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"/\w+\.py",
    "subsection_order": [
        f"gallery/{part}" for part in ("denoise", "restore", "generative", "libraries")
    ],
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib\.figure",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,  # times of one run are noise; bench/ measures
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("fastepll",),
}

html_theme = "pydata_sphinx_theme"
html_title = "fastepll"
html_static_path = ["_static"]
html_css_files = ["fastepll.css"]
html_extra_path = ["generated/extra"]
(HERE / "generated/extra").mkdir(parents=True, exist_ok=True)
html_sidebars = {"index": [], "before_after": []}
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "show_prev_next": False,
    "secondary_sidebar_items": {"index": [], "before_after": [], "**": ["page-toc"]},
}


def setup(app):
    """Write the page with sliders before what lies beside the pages is copied."""
    app.connect("builder-inited", lambda _: slider.write(HERE / "generated/extra/slider.html"))
