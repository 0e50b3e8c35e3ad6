"""Read pickled data without running it: arrays and plain containers come back, the rest is inert.

Face models and checkpoints are distributed as pickles. A pickle is a program, and `pickle.load`
runs whatever it names. Here a short list of harmless constructors is allowed. Every other name
turns into an `Inert` object, which only keeps what the file stored for it. Sets come back as lists.

A small file cannot ask for much: arrays have a maximal size, and so have nested containers, which a
pickle may share and nest until 200 bytes stand for 2^30 elements.
"""

import builtins
import collections
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from stkit.io.pickled_objects import MAX_ARRAY, Array, ArrayType, Inert, scalar
from stkit.io.untrusted import UnsafeFileError, guard

MAX_TUPLES = 10**4  # tuples inside a tuple, each counted as often as it occurs
MAX_ELEMENTS = 10**7  # elements of nested containers, each counted as often as it occurs


def load_pickle(path: Path) -> Any:
    """The data of a .pkl file (Python 2 or 3). Raises UnsafeFileError naming the file."""
    path = Path(path)
    return guard(path, lambda: Unpickler(io.BytesIO(path.read_bytes())).data())


def load_npy(path: Path) -> Any:
    """The array of a .npy file, or the object that np.save pickled into it.

    Raises UnsafeFileError naming the file.
    """
    path = Path(path)
    return guard(path, lambda: _read_npy(path))


def _read_npy(path: Path) -> Any:
    with path.open("rb") as f:
        version = np.lib.format.read_magic(f)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(f)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(f)
        else:
            raise UnsafeFileError(f"npy version {version} is unknown")
        if not dtype.hasobject:
            f.seek(0)
            return np.load(f, allow_pickle=False)
        value = Unpickler(f).data()
    is_one_object = isinstance(value, np.ndarray) and value.shape == ()
    return value.item() if is_one_object else value


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise UnsafeFileError("uses another codec than latin1")
    return text.encode("latin1")


def _bytearray(content=b"", *encoding) -> bytearray:
    if isinstance(content, int) and content > MAX_ARRAY:
        raise UnsafeFileError("asks for an impossible amount of memory")
    if encoding not in ((), ("latin-1",), ("latin1",)):
        raise UnsafeFileError("uses another codec than latin1")
    return bytearray(content, *encoding)


ALLOWED: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): ArrayType,
    ("numpy.core.multiarray", "_reconstruct"): Array,
    ("numpy.core.multiarray", "scalar"): scalar,
    ("numpy._core.multiarray", "_reconstruct"): Array,
    ("numpy._core.multiarray", "scalar"): scalar,
}
ALLOWED_BUILTINS: dict[str, Callable] = {
    "bytearray": _bytearray,
    "complex": complex,
    "dict": dict,
    "frozenset": list,
    "list": list,
    "set": list,
}
BUILTIN_MODULES = (builtins.__name__, "__builtin__")  # the second is Python 2's name


class Unpickler(pickle._Unpickler):
    """Python's unpickler, which looks up nothing but `ALLOWED` and sets no attributes.

    The implementation in Python is used because the one in C cannot count tuples as they are made,
    and a dictionary that uses a deeply nested one as its key would hash it for hours.
    """

    stack: list[Any]  # these three are the base class's, and missing in its type stubs
    append: Callable[[Any], None]
    pop_mark: Callable[[], list]

    def __init__(self, file: IO[bytes], encoding: str = "latin1"):
        super().__init__(file, encoding=encoding)
        self.tuple_counts: dict[int, int] = {}  # by the id of a tuple that holds tuples
        self.counted_tuples: list[tuple] = []  # kept, so that no id is given out twice

    def data(self) -> Any:
        """The file's value with every array built. Raises UnsafeFileError when it is too large."""
        return _Resolver().resolve(self.load())

    def find_class(self, module: str, name: str) -> Any:
        """What stands for the class or function `module.name`: allowed or inert."""
        if module in BUILTIN_MODULES and name == "tuple":
            return self._make_tuple
        if module in BUILTIN_MODULES and name in ALLOWED_BUILTINS:
            return ALLOWED_BUILTINS[name]
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        return type(name.split(".")[-1] or "Inert", (Inert,), {"__module__": "inert." + module})

    def _make_tuple(self, elements=()) -> tuple:
        made = tuple(elements)
        self._count(made)
        return made

    def _count(self, made: tuple) -> None:
        inner = [self.tuple_counts.get(id(x), 1) for x in made if isinstance(x, tuple)]
        if not inner:
            return
        count = 1 + sum(inner)
        if count > MAX_TUPLES:
            raise UnsafeFileError(f"nests more than {MAX_TUPLES} tuples in one")
        self.tuple_counts[id(made)] = count
        self.counted_tuples.append(made)

    def _load_tuple(self) -> None:
        elements = self.pop_mark()  # which also sets `append` anew
        self.append(self._make_tuple(elements))

    def _load_tuple_of(self, length: int) -> None:
        elements = self.stack[-length:]
        del self.stack[-length:]
        self.append(self._make_tuple(elements))

    def _load_empty_set(self) -> None:
        self.append([])

    def _load_additems(self) -> None:
        elements = self.pop_mark()
        self.stack[-1].extend(elements)

    def _load_frozenset(self) -> None:
        elements = self.pop_mark()
        self.append(elements)

    def _load_build(self) -> None:
        """Hand a state to the object before it; others, such as OrderedDict, ignore theirs."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, (Inert, Array, ArrayType)):
            target.__setstate__(state)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.TUPLE[0]: _load_tuple,
        pickle.TUPLE1[0]: lambda self: self._load_tuple_of(1),
        pickle.TUPLE2[0]: lambda self: self._load_tuple_of(2),
        pickle.TUPLE3[0]: lambda self: self._load_tuple_of(3),
        pickle.EMPTY_SET[0]: _load_empty_set,
        pickle.ADDITEMS[0]: _load_additems,
        pickle.FROZENSET[0]: _load_frozenset,
        pickle.BUILD[0]: _load_build,
    }


class _Resolver:
    """Builds every array of an unpickled value, and counts how large the value is when unfolded."""

    def __init__(self) -> None:
        # by the id of an object: the object itself (kept, so that no id is given out twice),
        # what it became, and its number of elements; None while it is being resolved
        self.done: dict[int, tuple[Any, Any, int] | None] = {}
        self.elements = 0

    def resolve(self, value: Any) -> Any:
        """The value with arrays built, through lists, tuples, dicts and inert objects."""
        if not isinstance(value, (Array, Inert, dict, list, tuple)):
            self.elements += 1
            return value
        known = self.done.get(id(value))
        if known:
            self._add(known[2])
            return known[1]
        if id(value) in self.done:
            raise UnsafeFileError("holds a container that contains itself")
        if isinstance(value, Inert):
            return self._resolve_inert(value)
        self.done[id(value)] = None
        before = self.elements
        self._add(1)
        result = self._resolve_container(value)
        self.done[id(value)] = (value, result, self.elements - before)
        return result

    def _add(self, count: int) -> None:
        self.elements += count
        if self.elements > MAX_ELEMENTS:
            raise UnsafeFileError(f"unfolds to more than {MAX_ELEMENTS} elements")

    def _resolve_inert(self, value: Inert) -> Inert:
        self.done[id(value)] = (value, value, 1)
        value.state = self.resolve(value.state)
        value.arguments = self.resolve(value.arguments)
        return value

    def _resolve_container(self, value: Any) -> Any:
        if isinstance(value, Array):
            return value.value(self.resolve)
        if isinstance(value, dict):
            for key in list(value):
                value[key] = self.resolve(value[key])
            return value
        resolved = [self.resolve(x) for x in value]
        if isinstance(value, list):
            value[:] = resolved
            return value
        return tuple(resolved)
