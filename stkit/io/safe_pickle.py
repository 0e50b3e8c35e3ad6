"""Read pickled data without running it: arrays, tensors and plain containers come back, everything else becomes inert.

Face models and checkpoints are distributed as pickles. A pickle is a program; `pickle.load` runs whatever it names. Here
a short list of harmless constructors is allowed, any other name turns into an `Inert` object that only keeps its state.
"""

import io
import pickle
from pathlib import Path

import numpy as np

LIMIT = 2**31  # bytes of one array that a pickle may ask for


class UnsafeFileError(ValueError):
    """The file is damaged, of another kind, or asks for something that is not data."""


class Inert:
    """Stands for an object of a class that is not rebuilt; `state` is what the file stored for it, `arguments` how it was made."""

    def __new__(cls, *arguments, **_):
        self = object.__new__(cls)
        self.arguments, self.state = arguments, None
        return self

    def __init__(self, *arguments, **_):
        pass

    def __setstate__(self, state):
        self.state = state

    def __call__(self, *arguments, **_):
        return Inert(*arguments)

    def __setitem__(self, *_):
        pass

    def append(self, _):
        pass

    def extend(self, _):
        pass


class _Kind:
    """A numpy dtype as a pickle describes it: a type code such as 'f8', 'O' or 'U3', and a byte order."""

    def __init__(self, code, *_):
        self.code, self.order = str(code), "="

    def __setstate__(self, state):
        if len(state) < 5 or state[2] is not None or state[3] is not None:
            raise UnsafeFileError("holds structured arrays")
        self.order = {"<": "<", ">": ">"}.get(str(state[1]), "|")

    def dtype(self) -> np.dtype:
        kind = np.dtype(self.code)
        return kind.newbyteorder(self.order) if self.order in "<>" else kind


class _Array:
    """A numpy array under construction; numpy's own unpickling code never runs on the file's bytes."""

    def __init__(self, *_):
        self.state = None

    def __setstate__(self, state):
        self.state = state

    def value(self, resolve):
        if self.state is None:
            raise UnsafeFileError("holds an array without contents")
        _, shape, kind, fortran, content = self.state
        if int(np.prod(shape, dtype=np.float64)) > LIMIT:
            raise UnsafeFileError("asks for an array of impossible size")
        if kind.code.startswith("O"):
            if len(content) != int(np.prod(shape)):
                raise UnsafeFileError("holds an array of objects with the wrong length")
            out = np.empty(len(content), object)
            for k, x in enumerate(content):
                out[k] = resolve(x)
        else:
            out = np.frombuffer(
                content if isinstance(content, bytes) else content.encode("latin1"), kind.dtype()
            ).copy()
        return out.reshape(shape, order="F" if fortran else "C")


def _scalar(kind, content=b""):
    content = content if isinstance(content, bytes) else str(content).encode("latin1")
    return np.frombuffer(content, kind.dtype())[0]


def resolved(value, seen: dict | None = None):
    """`value` with every array built, through lists, tuples, dicts and the state of inert objects."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)]
    again = lambda x: resolved(x, seen)
    if isinstance(value, _Array):
        out = seen[id(value)] = value.value(again)
        return out
    if isinstance(value, Inert):
        seen[id(value)] = value
        value.state, value.arguments = again(value.state), again(value.arguments)
        return value
    if isinstance(value, dict):
        seen[id(value)] = value
        for key in list(value):
            value[key] = again(value[key])
        return value
    if isinstance(value, list):
        seen[id(value)] = value
        value[:] = [again(x) for x in value]
        return value
    return tuple(again(x) for x in value) if type(value) is tuple else value


def _encode(text, encoding):
    if encoding != "latin1":
        raise UnsafeFileError(f"uses the codec {encoding!r}")
    return text.encode("latin1")


def _allowed() -> dict[tuple[str, str], object]:
    import collections

    out = {("collections", "OrderedDict"): collections.OrderedDict, ("_codecs", "encode"): _encode}
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        out |= {(core, "_reconstruct"): _Array, (core, "scalar"): _scalar}
    out |= {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Kind}
    for name in (
        "set",
        "frozenset",
        "list",
        "dict",
        "tuple",
        "int",
        "float",
        "complex",
        "bytearray",
        "slice",
        "bool",
        "str",
    ):
        out |= {
            (module, name): getattr(__import__("builtins"), name)
            for module in ("builtins", "__builtin__")
        }
    return out


ALLOWED = _allowed()


class Unpickler(pickle.Unpickler):
    """`pickle.Unpickler` that looks up nothing but `ALLOWED`; bytearray and friends cannot ask for more than `LIMIT`."""

    def find_class(self, module: str, name: str):
        found = ALLOWED.get((module, name))
        if found is bytearray:
            return _bytearray
        return (
            found
            if found is not None
            else type(name.split(".")[-1] or "Inert", (Inert,), {"__module__": "inert." + module})
        )


def _bytearray(content=b"", *encoding):
    if isinstance(content, int) and content > LIMIT:
        raise UnsafeFileError("asks for an impossible amount of memory")
    return bytearray(content, *encoding)


def load_pickle(path: Path):
    """The data of a .pkl file (Python 2 or 3). Raises UnsafeFileError naming the file."""
    return guard(
        path,
        lambda: resolved(Unpickler(io.BytesIO(Path(path).read_bytes()), encoding="latin1").load()),
    )


def load_npy(path: Path):
    """An array, or the object a .npy file pickled (np.save of a dict). Raises UnsafeFileError naming the file."""

    def read():
        with open(path, "rb") as f:
            version = np.lib.format.read_magic(f)
            header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if header is None:
                raise UnsafeFileError(f"npy version {version} is unknown")
            shape, _, dtype = header(f)
            if not dtype.hasobject:
                f.seek(0)
                return np.load(f, allow_pickle=False)
            out = resolved(Unpickler(f, encoding="latin1").load())
            return out.item() if isinstance(out, np.ndarray) and out.shape == () else out

    return guard(path, read)


def guard(path: Path, read):
    """Run `read`; whatever a damaged or hostile file raises comes out as one UnsafeFileError with the file's name."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return read()
    except UnsafeFileError as e:
        raise UnsafeFileError(f"{path}: cannot be read as data: {e}") from e
    except Exception as e:  # the readers below raise whatever a damaged file makes them trip over
        said = str(e).splitlines()[0] if str(e) else "no details"
        raise UnsafeFileError(
            f"{path}: is damaged or of another kind ({type(e).__name__}: {said})"
        ) from e
