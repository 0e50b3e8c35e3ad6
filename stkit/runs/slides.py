"""Slides of the lessons: `make slides`, or `python -m stkit.runs.slides [NUMBER ...]`.

They come out of the notebooks: a section becomes a column of slides, its paragraphs, equations,
code and figures one slide below the other. reveal.js and MathJax are those of two pip packages, so
that no slide needs a network.
"""

import argparse
import html
import re
import shutil
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path

import jinja2
import nbformat
from nbformat import NotebookNode

from stkit.assets import notebooks_dir
from stkit.errors import RequestError
from stkit.io.tensors import write_text
from stkit.runs.notebooks import find_notebook
from stkit.runs.posters import CAPTION, CHECKED

FULL = 650  # characters of text that a slide holds
ROWS = 7  # of a table
LONG = 16  # lines of code from which on they are set smaller
SKIPPED = ("## Exercises", "## Next")  # sections that belong to the notebook alone
REVEAL = ("sphinx-revealjs", "_static/revealjs/dist/", re.compile(r"(?!.*\.(map|esm\.js)$)"))
MATHJAX = ("sphinx-mathjax-offline", "static/mathjax/", re.compile(r"tex-chtml\.js|output/chtml/"))


@dataclass
class Column:
    """One section: its slides, each as HTML, from the top down."""

    slides: list[str] = field(default_factory=list)


def deck(notebook: NotebookNode) -> list[Column]:
    """The slides of a lesson with its outputs."""
    columns = [Column()]
    skipping = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for part in sections(cell.source):
                if part.startswith(("# ", "## ")):
                    skipping = part.startswith(SKIPPED)
                    columns.append(Column())
                if not skipping:
                    columns[-1].slides += text_slides(part)
        elif not skipping:
            columns[-1].slides += code_slides(cell)
    return [column for column in columns if column.slides]


def sections(text: str) -> list[str]:
    """A cell's text, cut before each heading."""
    return [part.strip() for part in re.split(r"(?m)^(?=#{1,3} )", text) if part.strip()]


def text_slides(text: str) -> list[str]:
    """A section's text as slides of at most `FULL` characters, cut between paragraphs; the heading
    stands on each.
    """
    heading, _, body = text.partition("\n") if text.startswith("#") else ("", "", text)
    slides, now = [], ""
    for block in [part for x in re.split(r"\n\s*\n", body.strip()) for part in blocks(x)]:
        if now and len(now) + len(block) > FULL:
            slides.append(now)
            now = ""
        now += block + "\n\n"
    heading = re.sub(r"^#+", "###", heading)
    return [_markdown(f"{heading}\n\n{x}") for x in [*slides, now] if heading or x.strip()]


def blocks(paragraph: str) -> list[str]:
    """A paragraph in parts that fit on a slide: items of a list, and tables of at most `ROWS` rows
    under the same head.
    """
    lines = paragraph.splitlines()
    if paragraph.startswith("|"):
        head, rows = lines[:2], lines[2:]
        parts = [rows[k : k + ROWS] for k in range(0, len(rows), ROWS)]
        return ["\n".join(head + part) for part in parts] or [paragraph]
    if paragraph.startswith("- "):
        return [x.strip() for x in re.split(r"(?m)^(?=- )", paragraph) if x.strip()]
    return [paragraph]


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.use(dollarmath_plugin, double_inline=True, renderer=_formula)
    return re.sub(r'href="[^"]*\.(ipynb|md)[^"]*"', 'href="#"', reader.render(text))


def _formula(text: str, options: dict) -> str:
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{html.escape(text)}{right}"


def code_slides(cell: NotebookNode) -> list[str]:
    """What a code cell adds: its figure, else its code; of a check the claims that held."""
    tags = cell.metadata.get("tags", [])
    if "parameters" in tags:
        return []
    if CHECKED in tags:
        return _claims(cell)
    figure = _figure(cell)
    core = not figure or re.search(r"(?m)^(def |for |class )", cell.source)
    code = _code(cell.source) if core and _core(cell.source) else ""
    return [slide for slide in (code, figure) if slide]


def _core(source: str) -> str:
    """The source without the imports at its top."""
    lines = source.splitlines()
    while lines and (not lines[0].strip() or lines[0].startswith(("from ", "import "))):
        lines.pop(0)
    return "\n".join(lines)


def _code(source: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    body = _core(source)
    small = " small" if len(body.splitlines()) > LONG else ""
    lines = highlight(body, PythonLexer(), HtmlFormatter(nowrap=True))
    return f'<pre class="code{small}"><code>{lines}</code></pre>'


def _claims(cell: NotebookNode) -> list[str]:
    """The lines that begin with `ok:`, as one slide."""
    text = "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream")
    held = [html.escape(x[4:]) for x in text.splitlines() if x.startswith("ok: ")]
    items = "".join(f"<li>{x}</li>" for x in held)
    return [f"<h3>Checked in the notebook</h3><ul>{items}</ul>"] if held else []


def _figure(cell: NotebookNode) -> str:
    """A cell's kept figure with alternative text and caption, or ''."""
    picture, caption = "", ""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/jpeg" in data:
            alt = html.escape(output.metadata.get("image/jpeg", {}).get("alt", ""), quote=True)
            picture = f'<img alt="{alt}" src="data:image/jpeg;base64,{data["image/jpeg"]}">'
        elif CAPTION in data:
            caption = _markdown(data[CAPTION])
    return f"{picture}<div class='caption'>{caption}</div>" if picture else ""


def copy_package(package: tuple[str, str, re.Pattern], folder: Path) -> None:
    """Copy a pip package's files that lie below a folder of it and match a pattern; RequestError
    where the package is not installed.
    """
    name, below, wanted = package
    try:
        found = files(name) or []
    except ModuleNotFoundError as e:
        raise RequestError(f"slides need {name}: pip install 'stkit[site]'") from e
    for file in found:
        _, marker, rest = str(file).replace("\\", "/").partition(below)
        if marker and wanted.match(rest):
            target = folder / rest
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(str(file.locate())), target)


def write_slides(path: Path, folder: Path) -> Path:
    """Write a lesson's slides into a folder that holds reveal/ and mathjax/; returns the page."""
    from pygments.formatters import HtmlFormatter

    notebook = nbformat.read(path, 4)
    loader = jinja2.PackageLoader("stkit.runs")
    page = jinja2.Environment(loader=loader, autoescape=False).get_template("slides.html")
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    style = HtmlFormatter().get_style_defs(".code")
    out = folder / f"{path.stem}.html"
    write_text(out, page.render(title=html.escape(title), columns=deck(notebook), style=style))
    return out


def write_decks(folder: Path, paths: list[Path] | None = None) -> list[Path]:
    """Write the slides of lessons (by default of all) and what they need; returns the pages."""
    copy_package(REVEAL, folder / "reveal")
    copy_package(MATHJAX, folder / "mathjax")
    return [write_slides(path, folder) for path in paths or sorted(notebooks_dir().glob("*.ipynb"))]


def main(arguments: list[str] | None = None) -> None:
    """Write the slides of the named lessons, or of all, and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="numbers or names")
    parser.add_argument("--folder", type=Path, default=Path("build/slides"))
    a = parser.parse_args(arguments)
    for page in write_decks(a.folder, [find_notebook(name) for name in a.notebooks]):
        print(page)


if __name__ == "__main__":
    main()
