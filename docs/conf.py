"""Configuration of Sphinx.  ``make docs`` builds; every warning is an error, and so is code that fails."""

import sys
from pathlib import Path

import fastnn

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "fastnn"
copyright = "the fastnn authors"
version = release = fastnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
    "api",
    "scripts",
]
exclude_patterns = ["chapters", "gallery", "guide/*.ipynb", "**/README.*"]

copybutton_prompt_text = r">>> |\.\.\. |\$ "  # what is copied can be typed: no prompts, no output
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "fastnn"
html_static_path = ["static"]
html_css_files = ["guide.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": {  # elsewhere lines of code need the width
        "api/*": ["page-toc"],
        "examples/*": [],
        "guide/*": [],
        "howto/*": [],
        "switching/*": [],
        "index": [],
        "install": [],
        "features": [],
    },
    "footer_start": [],
    "footer_end": [],
    "show_nav_level": 2,
}
html_context = {"default_mode": "light"}

autosummary_generate = False  # extension api writes whole pages
autodoc_typehints = "none"  # types stand in the docstrings, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
trim_doctest_flags = True

sphinx_gallery_conf = {
    "examples_dirs": ["chapters"],
    "gallery_dirs": ["guide"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "run_stale_examples": True,  # also those that have not changed: the package may have
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", "figures.style"),
    "image_scrapers": ("matplotlib", "figures.scrape"),
    "image_srcset": ["2x"],
    "capture_repr": (),
    "doc_module": ("fastnn",),
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "thumbnail_size": (400, 260),
}
