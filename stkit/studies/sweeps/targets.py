"""What can be swept: notebooks with typed parameters, or the edit stage with its settings."""

import ast
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat

from stkit.diffusion.editors import get_editor
from stkit.diffusion.protocols import Editor
from stkit.editing.methods import get_method
from stkit.editing.settings import EditSettings
from stkit.errors import RequestError
from stkit.runs.digests import code_digest, digest_path, digest_text
from stkit.runs.edits import edit_artifact, open_base, scores_artifact
from stkit.runs.folders import remembered
from stkit.runs.notebooks import check_parameters, declared, find_notebook, lesson_files
from stkit.runs.plan import IDENTITY, LARGEST_SEED
from stkit.runs.shipped import MARA, ShippedRun

KEY_LENGTH = 20  # hex digits
OF_THE_RUN = ("source", "profile")  # of a notebook's parameters, what the base run answers


@dataclass(frozen=True)
class EditTarget:
    """Stage 05 on a run's head: parameters are the fields of `EditSettings`, and `editor`."""

    base: str

    def checked(self, setting: dict[str, object]) -> dict[str, object]:
        """The setting with every value of its type. RequestError where one cannot be."""
        usual = {"editor": "paint"} | self._usual()
        out: dict[str, object] = {}
        for name, value in setting.items():
            if name not in usual:
                raise RequestError(f"an edit has no setting {name!r}; it has: {', '.join(usual)}")
            wanted = type(usual[name])
            value = float(value) if wanted is float and type(value) is int else value
            if type(value) is not wanted:
                found = type(value).__name__
                raise RequestError(f"{name}={value!r} is {found}, expected {wanted.__name__}")
            out[name] = value
        settings, editor = self.settings(out)
        if not 0 <= settings.seed <= LARGEST_SEED:
            raise RequestError(f"seed={settings.seed}: a whole number from 0 to 2^63 - 1")
        get_method(settings.method)
        _editor(str(editor))
        return out

    @staticmethod
    def _usual() -> dict[str, Any]:
        return {k: v for k, v in vars(EditSettings("")).items() if type(v) in (str, int, float)}

    def settings(self, setting: dict[str, Any]) -> tuple[EditSettings, str]:
        """Settings and editor of a checked setting."""
        rest = dict(setting)
        editor, prompt = rest.pop("editor", "paint"), rest.pop("prompt", "turn her into a clown")
        return _plan(self.base).edit_settings(prompt, **rest), editor

    def key(self, setting: dict[str, object]) -> str:
        """What identifies the result of a checked setting: the artifact with its scores."""
        return scores_artifact(edit_artifact(self.base, *self.settings(setting))).key


@dataclass(frozen=True)
class NotebookTarget:
    """Notebooks, one after the other, each with those of the parameters that it has."""

    base: str
    notebooks: tuple[Path, ...]

    def checked(self, setting: dict[str, object]) -> dict[str, object]:
        """The setting with every value of its type. RequestError where one cannot be."""
        known = [declared(path) for path in self.notebooks]
        for name in setting:
            if not any(name in k for k in known):
                names = ", ".join(path.name for path in self.notebooks)
                there = ", ".join(sorted({x for k in known for x in k}))
                raise RequestError(f"{names}: no parameter {name!r}; there are: {there}")
        out: dict[str, object] = {}
        for path in self.notebooks:
            out |= self.parameters(path, setting)
        return {name: out[name] for name in setting}

    def parameters(self, path: Path, setting: dict[str, object]) -> dict[str, object]:
        """What one of the notebooks is run with."""
        known = declared(path)
        values = self.of_the_run() | setting
        return check_parameters(path, {k: v for k, v in values.items() if k in known})

    def of_the_run(self) -> dict[str, object]:
        """The parameters that say which run is worked on."""
        if self.base == MARA:
            return {"run": MARA}
        found = remembered(self.base)
        return {"run": self.base} | {name: found[name] for name in OF_THE_RUN}

    def key(self, setting: dict[str, object]) -> str:
        """What identifies the result of a checked setting: notebooks, code, run, parameters."""
        parts = [digest_path(path) + _code_of(path, digest_path(path)) for path in self.notebooks]
        given = repr(sorted(setting.items()))
        return digest_text("\n".join([*parts, _identity(self.base), given]))[:KEY_LENGTH]


Target = EditTarget | NotebookTarget  # what a task of a sweep runs


def target_of(base: str, stage: str, notebooks: tuple[str, ...]) -> Target:
    """The target that a sweep names. RequestError where there is no such run or stage."""
    if base != MARA and not remembered(base):
        raise RequestError(f"no run named {base!r}: make it first with `stkit run`, or take mara")
    if notebooks:
        return NotebookTarget(base, tuple(find_notebook(_number(name)) for name in notebooks))
    if stage != "edit":
        raise RequestError(f"stage {stage!r} cannot be swept; 'edit' can, and every notebook")
    return EditTarget(base)


def profile_of(base: str) -> str:
    """The profile that a run was made with."""
    return _plan(base).profile


def _number(name: str) -> str:
    """A notebook's name with its number, where only the words behind it are given."""
    ending = [path.stem for path in lesson_files() if path.stem.partition("_")[2] == name]
    return ending[0] if ending else name


def _plan(base: str):
    return open_base(base).plan


def _identity(base: str) -> str:
    if base == MARA:
        return ShippedRun(MARA).head_key
    return repr([remembered(base).get(name) for name in (*IDENTITY, "changes")])


@lru_cache(maxsize=8)
def _editor(name: str) -> Editor:
    return get_editor(name)


@lru_cache(maxsize=64)
def _code_of(path: Path, digest: str) -> str:
    """A digest of the kit's modules that a notebook with this digest imports."""
    modules: set[str] = set()
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stkit"):
                    modules.add(str(node.module))
    return code_digest(*sorted(modules))
