"""What identifies an input, a setting and a piece of code: one hash for each."""

import ast
import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from pathlib import Path

import stkit

ROOT = Path(stkit.__file__).parent
DATA = (".npz", ".safetensors", ".json")  # files beside a module that its results depend on


def digest_text(text: str) -> str:
    """Hex digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_path(path: Path) -> str:
    """Hex digest of a file, or of a folder: every file in it with its name. Each file is read once
    a process.
    """
    path = Path(path)
    if path.is_file():
        return _digest_file(path)
    parts = [
        [str(file.relative_to(path)), _digest_file(file)]
        for file in sorted(path.rglob("*"))
        if file.is_file()
    ]
    return digest_text(json.dumps(parts))


def _digest_file(path: Path) -> str:
    state = path.stat()
    return _digest_bytes(str(path.resolve()), state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=4096)
def _digest_bytes(path: str, size: int, changed: int, inode: int) -> str:
    """A file's digest; size, time and inode tell whether it is still the same file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def plain(value: object) -> object:
    """Settings as JSON: dataclasses and dicts by field, paths as text, functions by name and
    code.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Path):
        return str(value)
    if inspect.isfunction(value):
        return function_name(value)
    raise TypeError(f"a setting of type {type(value).__name__} cannot be told apart from others")


def function_name(function: Callable) -> str:
    """A function by its module, name and code, so that the same function always has the same
    name.
    """
    code = function.__code__
    constants = [c for c in code.co_consts if isinstance(c, (str, int, float, tuple, type(None)))]
    text = repr((code.co_code.hex(), code.co_names, constants))
    return f"{function.__module__}.{function.__qualname__}#{digest_text(text)[:12]}"


@lru_cache(maxsize=64)
def code_digest(*modules: str) -> str:
    """Hex digest of stkit's code that these modules reach by imports; comments and docstrings do
    not count.

    Data files beside the reached modules, such as weights that ship with the kit, count too.
    """
    reached: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        path = _module_path(name)
        tree = _bare_tree(path)
        reached[name] = digest_text(ast.dump(tree))
        waiting += _imports(tree)
        for file in _data_files(path):
            reached[str(file.relative_to(ROOT))] = _digest_file(file)
    return digest_text(json.dumps(sorted(reached.items())))


def _module_path(name: str) -> Path:
    parts = name.split(".")[1:]
    package = ROOT.joinpath(*parts, "__init__.py")
    return package if package.exists() else ROOT.joinpath(*parts).with_suffix(".py")


def _is_module(name: str) -> bool:
    return _module_path(name).exists()


def _data_files(path: Path) -> list[Path]:
    """Data in a module's folder, and in a package's `weights` folder."""
    folders = [path.parent] + ([path.parent / "weights"] if path.name == "__init__.py" else [])
    files = [f for folder in folders if folder != ROOT for f in folder.glob("*")]
    return sorted(f for f in files if f.suffix in DATA)


@lru_cache(maxsize=256)
def _bare_tree(path: Path) -> ast.Module:
    """A module's syntax tree without docstrings; comments never stand in one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _imports(tree: ast.Module) -> list[str]:
    """The stkit modules that a module imports, anywhere in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.startswith("stkit.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stkit":
            inside = [f"{node.module}.{a.name}" for a in node.names]
            modules = [name for name in inside if _is_module(name)]
            whole = len(modules) == len(inside)
            found += modules if whole else [*modules, str(node.module)]
    return found


def model_digest(name: str) -> str:
    """What identifies a model that is given by name, folder, two folders joined by '+', or hub
    id.
    """
    parts = []
    for part in name.split("+"):
        folder = Path(part)
        parts.append(digest_path(folder) if folder.is_dir() else part)
    return name if parts == name.split("+") else digest_text("+".join(parts))
