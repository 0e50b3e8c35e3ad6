import json
from pathlib import Path

import pytest

from stkit.assets import repository
from stkit.runs.notebooks import (
    NotebookError,
    ParameterError,
    check_parameters,
    declared,
    execute,
    find_notebook,
    parse_parameters,
)

NOTEBOOKS = sorted((repository() / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_a_lesson(path: Path):
    notebook = json.loads(path.read_text())
    cells = notebook["cells"]
    tags = [t for c in cells for t in c["metadata"].get("tags", [])]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert tags.count("parameters") == 1 and tags.count("nbval-check-output") >= 3
    assert path.stat().st_size < 600_000 and "widgets" not in notebook["metadata"]
    for word in (
        "You will learn",
        "You need",
        "**Time**",
        "Recap" if path.stem[:2] == "15" else "Next",
    ):
        assert word in text, f"{path.name} lacks {word!r}"
    assert max(len(c.splitlines()) for c in code) <= 25
    lines = [x.strip() for c in code for x in c.splitlines()]
    assert len([x for x in lines if x and not x.startswith("#")]) <= 120
    imports = [
        line for c in code for line in c.splitlines() if line.startswith(("from ", "import "))
    ]
    assert imports[0].startswith("from stkit"), "stkit first: it sets what torch reads at import"
    assert not any("!pip" in c or "import *" in c or "wget" in c for c in code)
    for cell in cells:
        if cell["cell_type"] == "code":
            kept = "keep_output" in cell["metadata"].get("tags", [])
            assert bool(cell["outputs"]) == kept, "python -m stkit.runs.posters writes them"
            assert not any(o["output_type"] == "error" for o in cell["outputs"])
    assert all(
        line.rstrip().startswith(("#", '"""')) or "#" in line
        for line in code[0].splitlines()
        if ":" in line and "=" in line
    ), "every parameter has its help"


def test_all_are_there():
    assert [p.stem[:2] for p in NOTEBOOKS] == [f"{k:02}" for k in range(16)]


def test_parameters_are_checked_by_name_and_type():
    path = find_notebook("06")
    assert declared(path)["alpha"] == 5.0
    assert check_parameters(path, {"alpha": 3}) == {"alpha": 3.0}
    assert parse_parameters(path, ["alpha=2.5", "landmarks=dense", "seed=3"]) == {
        "alpha": 2.5,
        "landmarks": "dense",
        "seed": 3,
    }
    with pytest.raises(ParameterError, match="no parameter 'alfa'.*alpha"):
        check_parameters(path, {"alfa": 5.0})
    for bad in ({"alpha": "5"}, {"seed": 1.5}, {"run": 3}):
        with pytest.raises(ParameterError, match="expected"):
            check_parameters(path, bad)
    with pytest.raises(ParameterError, match="NAME=VALUE"):
        parse_parameters(path, ["alpha"])
    with pytest.raises(FileNotFoundError, match="there are: 00_start_here"):
        find_notebook("42")


@pytest.mark.filterwarnings("ignore")
def test_papermill_runs_two_parameter_sets(tmp_path):
    path = find_notebook("00")
    for seed in (0, 1):
        out = execute(path, {"seed": seed}, tmp_path / f"{seed}.ipynb")
        assert f"seed = {seed}" in out.read_text() and not list(tmp_path.glob("*.part.ipynb"))


def cell(kind, source, **metadata):
    base = {
        "cell_type": kind,
        "metadata": metadata,
        "source": source,
        "id": f"c{abs(hash(source)) % 10**6}",
    }
    return base | ({"outputs": [], "execution_count": None} if kind == "code" else {})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ValueError('no')", "no"),
        ("import os; os._exit(0)", ""),
        ("import sys; sys.exit(0)", ""),
    ],
)
def test_a_notebook_that_stops_keeps_no_finished_name(tmp_path, source, says):
    kernel = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    cells = [
        cell("code", "a: int = 1  # one", tags=["parameters"]),
        cell("code", source),
        cell("code", "print(a)"),
    ]
    path = tmp_path / "x.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    )
    with pytest.raises((NotebookError, RuntimeError), match=says):
        execute(path, {"a": 2}, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.filterwarnings("ignore")
def test_batch_runs_keep_no_widget_state(tmp_path):
    import nbformat

    cells = [
        nbformat.v4.new_code_cell("seed: int = 0  # one number"),
        nbformat.v4.new_code_cell("import ipywidgets\nipywidgets.IntSlider()"),
    ]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(notebook, tmp_path / "widget.ipynb")
    out = json.loads(execute(tmp_path / "widget.ipynb", {}, tmp_path / "out.ipynb").read_text())
    assert "widgets" not in out["metadata"] and any(
        "widget-view" in k for k in out["cells"][-1]["outputs"][0]["data"]
    )


def test_the_filter_of_git_would_change_no_notebook():
    """What `make hooks` installs leaves committed notebooks as they are: no output but those of
    check cells, no widget state.
    """
    import subprocess
    import sys

    for path in NOTEBOOKS:
        command = [sys.executable, "-m", "nbstripout", "--keep-count", "--keep-id"]
        done = subprocess.run(
            command, stdin=path.open(), capture_output=True, text=True, check=True
        )
        assert done.stdout == path.read_text(), (
            f"{path.name}: run nbstripout --keep-count --keep-id on it"
        )
