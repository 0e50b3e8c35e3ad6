"""Notebooks in batch with papermill: parameters are checked before anything runs, and only whole
results keep their name.
"""

import ast
import os
import re
import shutil
import signal
import sys
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult
from pathlib import Path

from stkit.assets import notebooks_dir
from stkit.errors import MissingFileError, RequestError
from stkit.runs.folders import runs_root
from stkit.runs.page import write_page
from stkit.runs.road import Road
from stkit.runs.source import Source
from stkit.training import core_count

NOTEBOOKS_AFTER = {  # what may start when a stage is there; 07 makes its edit, or waits for ours
    "preprocess": ["01"],
    "mesh": ["02"],
    "gaussians": ["07"],
    "weights": ["03", "04"],
    "edit": ["05", "06"],
    "animate": ["08"],
}
METHODS = "ours"  # what 07 compares in a batch: each further method would be another edit


class ParameterError(RequestError):
    """A notebook parameter that does not exist or has the wrong type."""


class NotebookError(RuntimeError):
    """A cell raised; the message names the notebook, the cell and where the half-run notebook
    is.
    """


def find_notebook(name: str) -> Path:
    """notebooks/NN_*.ipynb by number, name or path. Raises FileNotFoundError listing what there
    is.
    """
    path = Path(name)
    if path.suffix == ".ipynb" and path.exists():
        return path
    plain = bool(re.fullmatch(r"[\w-]+", name))
    found = sorted(notebooks_dir().glob(f"{name}*.ipynb")) if plain else []
    if len(found) != 1:
        there = ", ".join(p.stem for p in sorted(notebooks_dir().glob("*.ipynb")))
        raise MissingFileError(f"{name!r} names {len(found)} notebooks; there are: {there}")
    return found[0]


def lesson_files() -> list[Path]:
    """The numbered lessons in order, then the sessions for teachers."""
    return sorted(notebooks_dir().glob("*.ipynb")) + sorted(notebooks_dir().glob("teach/*.ipynb"))


def declared(path: Path) -> dict[str, object]:
    """Parameters of a notebook and their defaults, read from its `parameters` cell (literals
    only).
    """
    import nbformat

    try:
        notebook = nbformat.read(path, 4)
        return _declared(path, notebook.cells)
    except ParameterError:
        raise
    except Exception as e:  # nbformat and Python's parser raise many kinds
        reason = str(e).splitlines()[0][:200] if str(e) else type(e).__name__
        raise ParameterError(f"{path}: not a notebook with literal parameters ({reason})") from e


def _declared(path: Path, every: list) -> dict[str, object]:
    cells = [c for c in every if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(
            f"{path.name}: has {len(cells)} cells tagged 'parameters', expected one"
        )
    out = {}
    target: ast.expr
    for node in ast.parse(cells[0].source).body:
        if isinstance(node, ast.AnnAssign) and node.value:
            target, value = node.target, node.value
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        else:
            continue
        if isinstance(target, ast.Name):
            out[target.id] = ast.literal_eval(value)
    return out


def check_parameters(path: Path, given: dict[str, object]) -> dict[str, object]:
    """`given`, with ints accepted for floats. Raises ParameterError naming the parameter, what it
    was and what it may be.

    papermill itself only warns about an unknown name and goes on with exit code 0.
    """
    known = declared(path)
    out = {}
    for name, value in given.items():
        if name not in known:
            raise ParameterError(
                f"{path.name}: has no parameter {name!r}; it has: {', '.join(known)}"
            )
        wanted = type(known[name])
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise ParameterError(
                f"{path.name}: parameter {name}={value!r} is {type(value).__name__}, expected "
                f"{wanted.__name__} (such as {known[name]!r})"
            )
        out[name] = value
    return out


def parse_parameters(path: Path, items: list[str]) -> dict[str, object]:
    """NAME=VALUE strings from the command line, read by the type of the notebook's default."""
    known, out = declared(path), {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals:
            raise ParameterError(f"{item!r}: write NAME=VALUE")
        value: object = text
        if name in known and not isinstance(known[name], str):
            try:
                value = ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                value = text
        out[name] = value
    return check_parameters(path, out)


def execute(
    path: Path, parameters: dict[str, object], output: Path | None = None, timeout: int = 7200
) -> Path:
    """Run a notebook with papermill and return the executed copy.

    It is written to a temporary name and renamed when every code cell has completed. Raises
    NotebookError otherwise, and leaves the half-run copy beside as *.failed.ipynb. `timeout`:
    seconds a cell may take.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    parameters = check_parameters(path, parameters)
    output = output or runs_root() / "notebooks" / path.name
    if output.suffix != ".ipynb":
        raise ParameterError(f"{output}: the executed notebook's name ends in .ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    part, failed = output.with_suffix(".part.ipynb"), output.with_suffix(".failed.ipynb")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        papermill.execute_notebook(
            str(path),
            str(part),
            parameters,
            kernel_name="python3",
            progress_bar=False,
            log_output=True,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            execution_timeout=timeout,
            cwd=str(path.parent),
            store_widget_state=False,  # static readers show posters instead, and files stay small
        )
    except PapermillExecutionError as e:
        shutil.move(part, failed)
        raise NotebookError(
            f"{path.name}: cell {e.exec_count} failed with {e.ename}: {e.evalue}. "
            f"The half-run notebook is {failed}"
        ) from e
    _check_complete(part, path)
    part.replace(output)
    failed.unlink(missing_ok=True)
    return output


def _check_complete(part: Path, path: Path) -> None:
    """Refuse a notebook whose kernel ended early (a sys.exit gives exit code 0 although later cells
    never ran).
    """
    import nbformat

    for k, cell in enumerate(nbformat.read(part, 4).cells):
        status = cell.metadata.get("papermill", {}).get("status")
        if cell.cell_type == "code" and cell.source.strip() and status != "completed":
            raise NotebookError(
                f"{path.name}: cell {k} did not complete; the kernel ended early. See {part}"
            )


def run_road(road: Road, prompt: str, editor: str, driver: str | None) -> Path:
    """All stages, and notebooks 01 to 08 on them; executed copies are in runs/NAME/notebooks/.
    Returns the run's page.

    A notebook starts in a process of its own as soon as its stage is there, and finds it in the
    store, so that most of the notebooks' work is done while the later stages train. At most two
    run at a time, and one on a GPU, whose memory they have to share with the training.
    """
    device = road.plan.device
    at_once = 2 if road.plan.device_of("gaussians") == "cpu" else 1
    values = {
        "run": road.run,
        "source": road.plan.source.text,
        "profile": road.settings.name,
        "seed": road.plan.seed,
        "prompt": prompt,
        "editor": editor,
        "methods": METHODS,
        "driver": Source.parse(driver, may_be_run=True).resolved().text if driver else "",
    }
    running: list[AsyncResult[Path]] = []
    with get_context("spawn").Pool(at_once, _prepare_worker, (at_once, device)) as pool:

        def start(stage: str) -> None:
            for path in map(find_notebook, NOTEBOOKS_AFTER[stage]):
                known = declared(path)
                parameters = {name: value for name, value in values.items() if name in known}
                copy = road.folder / "notebooks" / path.name
                running.append(pool.apply_async(execute, (path, parameters, copy)))

        road.everything(prompt, editor, driver, after=start)
        for notebook in running:
            print(f"{notebook.get().stem}: all cells ran", flush=True)
    return write_page(road.run)


def _prepare_worker(processes: int, device: str) -> None:
    """Give a worker, and the kernels that it starts, its part of the cores; ^C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    share = max(1, core_count() // processes)
    os.environ["OMP_NUM_THREADS"] = os.environ["STKIT_THREADS"] = str(share)
    os.environ["STKIT_DEVICE"] = device
