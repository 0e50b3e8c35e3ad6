"""Sphinx settings of the site; `make site` builds it from executed notebooks, offline."""

import os
import re

project = "stkit"
author = "the stkit founders"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",
]
nb_execution_mode = "off"  # `stkit.runs.site` has executed them
nb_render_markdown_format = "myst"  # tables in the outputs of cells
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing", "myst.header", "mystnb.unknown_mime_type"]
autosummary_generate = True
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
exclude_patterns = ["docs/site"]
html_theme = "sphinx_book_theme"
html_title = "stkit"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_domain_indices = False
html_context = {"default_mode": "auto"}
html_theme_options = {"use_download_button": False, "use_fullscreen_button": False}
if repository := os.environ.get("STKIT_REPOSITORY"):  # such as https://github.com/OWNER/stkit
    hubs = {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    }
    codespaces = {
        "name": "Open in Codespaces",
        "url": repository.replace("https://github.com/", "https://codespaces.new/"),
        "icon": "fa-solid fa-laptop-code",
    }
    html_theme_options |= {
        "repository_url": repository,
        "icon_links": [codespaces],
        "use_repository_button": True,
        "launch_buttons": hubs,
    }


def plain(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are plain sentences: stars, bars and underscores in them mark nothing up."""
    lines[:] = [re.sub(r"([*|_])", r"\\\1", line) for line in lines]


def functions_only(app, what, name, obj, skip, options) -> bool | None:
    """A package's page leaves out what a module below it shows: some share its name."""
    where, page = getattr(obj, "__module__", ""), app.env.current_document.autodoc_module
    shown_below = what == "module" and where == f"{page}.{name}"
    return True if shown_below else None


def setup(app) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", plain)
    app.connect("autodoc-skip-member", functions_only)
