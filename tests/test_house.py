"""The house rules that a tool can count: sizes of rooms, modules, functions and lines."""

import ast
from collections.abc import Iterator
from pathlib import Path

import stkit

ROOT = Path(stkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION, WIDEST_LINE = 300, 50, 100
MOST_ROOMS = 26  # as the design has them, voice and art of Style2Talker among them
# compiled kernels, whose loops stay together for speed
KERNELS = {
    "render/gaussians_compositing.py:render_tiles",
    "render/gaussians_compositing.py:render_tiles_backward",
    "render/gaussians_projection.py:project",
    "render/gaussians_projection_backward.py:project_backward",
    "render/meshes_silhouettes.py:edge_pairs",
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a module, and how many lines it has."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_at_most_so_many_rooms_stand_directly_under_the_package():
    rooms = [p for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert len(rooms) <= MOST_ROOMS


def test_no_module_is_too_long():
    lengths = {name(p): len(p.read_text().splitlines()) for p in MODULES}
    long = {k: n for k, n in lengths.items() if n > LONGEST_MODULE}
    assert not long


def test_no_function_is_too_long():
    long = {
        f"{name(p)}:{function}": lines
        for p in MODULES
        for function, lines in functions(p)
        if lines > LONGEST_FUNCTION
    }
    assert set(long) <= KERNELS, long


def test_every_exception_is_still_needed():
    there = {f"{name(p)}:{function}" for p in MODULES for function, _ in functions(p)}
    assert there >= KERNELS


def test_no_line_is_too_wide():
    wide = [
        f"{name(p)}:{k}"
        for p in MODULES
        for k, line in enumerate(p.read_text().splitlines(), 1)
        if len(line) > WIDEST_LINE
    ]
    assert not wide


def test_formatting_is_switched_off_for_tables_alone():
    marked = [name(p) for p in MODULES if "# fmt: skip" in p.read_text()]
    assert not marked
