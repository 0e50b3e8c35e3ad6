"""The site: `make site`, or `python -m stkit.runs.site`. Lessons with outputs and viewers that need
no kernel, exercises, guide, results and reference; no network, neither to build nor to read.

Lessons are executed once for each state of notebook and code, into build/site/executed.
"""

import argparse
import html
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from stkit.assets import notebooks_dir, repository
from stkit.io.tensors import write_text
from stkit.runs.course import make_course
from stkit.runs.digests import code_digest, digest_path, digest_text
from stkit.runs.notebooks import execute, lesson_files
from stkit.runs.posters import poster
from stkit.runs.slides import write_decks
from stkit.viewers.viewer import SITE

LINKED = (  # files beside docs/ and notebooks/ that pages link to
    "CONTRIBUTING.md",
    "stkit/diffusion/tiny/weights/README.md",
    "stkit/diffusion/orbit/weights/README.md",
)
GALLERY = Path("stkit", "art", "gallery")  # pictures of the art styles, which the guide shows
GLOSSARY = "## 3 · Words and symbols"  # the heading in notebook 00
LOCKED = {"nbgrader", "deletable", "editable"}  # metadata of exercises that a reader need not see


def executed(path: Path, folder: Path) -> Path:
    """The executed copy of a lesson, made where notebook or code have changed."""
    state = digest_text(digest_path(path) + code_digest("stkit.runs.lesson", "stkit.viewers"))
    copy, note = folder / path.name, folder / f"{path.stem}.state"
    if not (copy.exists() and note.exists() and note.read_text() == state):
        os.environ[SITE] = str((folder / "viewers").resolve())
        (folder / "viewers").mkdir(parents=True, exist_ok=True)
        execute(path, {}, copy)
        write_text(note, state)
    return copy


def for_readers(notebook: NotebookNode) -> NotebookNode:
    """Figures as small pictures with their alt texts; no words of libraries on stderr."""
    for cell in notebook.cells:
        for name in LOCKED & set(cell.metadata):
            del cell.metadata[name]
        if cell.cell_type == "code":
            cell.outputs = [o for o in map(_shown, cell.outputs) if o]
    return notebook


def _shown(output: NotebookNode) -> NotebookNode | None:
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    if "text/html" in data and "viewer" in data["text/html"]:
        return output
    if "image/png" in data:
        alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""), quote=True)
        picture = f'<img alt="{alt}" src="data:image/jpeg;base64,{poster(data["image/png"])}">'
        return nbformat.v4.new_output("display_data", {"text/html": picture})
    return output


def glossary() -> str:
    """The glossary as a page of its own: the section of notebook 00 that holds it."""
    cells = nbformat.read(notebooks_dir() / "00_start_here.ipynb", 4).cells
    [text] = [c.source for c in cells if c.source.startswith(GLOSSARY)]
    _, _, tables = text.partition("\n")
    return f"# Words and symbols\n{tables}\n"


def stage(folder: Path) -> Path:
    """Put together what Sphinx reads, with the links that the repository has; returns its place."""
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    own = repository() / "docs" / "site"
    shutil.copytree(repository() / "docs", source / "docs", ignore=shutil.ignore_patterns("site"))
    for name in ("conf.py", "index.md", "api.md"):
        shutil.copy(own / name, source / name)
    write_text(source / "glossary.md", glossary())
    for name in LINKED:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository() / name, source / name)
    (source / "notebooks" / "exercises").mkdir(parents=True)
    shutil.copytree(notebooks_dir() / "figures", source / "notebooks" / "figures")
    shutil.copytree(repository() / GALLERY, source / GALLERY)
    for path in lesson_files():
        copy = nbformat.read(executed(path, folder / "executed"), 4)
        target = source / "notebooks" / path.relative_to(notebooks_dir())
        target.parent.mkdir(exist_ok=True)
        nbformat.write(for_readers(copy), target)
    for path in make_course(folder / "course"):
        copy = nbformat.read(path, 4)
        nbformat.write(for_readers(copy), source / "notebooks" / "exercises" / path.name)
    static = source / "_static"
    shutil.copytree(folder / "executed" / "viewers", static / "viewers")
    shutil.copy(own / "site.css", static / "site.css")
    return source


def build(folder: Path) -> Path:
    """Build the site and the slides beside it; returns its first page."""
    source, out = stage(folder), folder / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(out)]
    subprocess.run(command, check=True)
    write_decks(out / "slides")
    return out / "index.html"


def main(arguments: list[str] | None = None) -> None:
    """Build and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/site"))
    print(f"open {build(parser.parse_args(arguments).folder)}")


if __name__ == "__main__":
    main()
