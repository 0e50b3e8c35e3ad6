"""Face models that a person obtained, read from the files as they are distributed.

Basel 2009 (lineage.md 2: 80 identity directions, 64 of Guo et al.'s expression directions), Basel
2017 and FaceVerse v2; FLAME is in `flame.py`. Nothing in the files is executed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stkit.errors import RequestError
from stkit.face_models.canonical import MAX_DIRECTIONS, canonical
from stkit.face_models.linear import LinearModel
from stkit.face_models.transfer import carry_landmarks
from stkit.io.limits import read_mat, refuse_above
from stkit.io.safe_pickle import load_npy
from stkit.io.untrusted import UnsafeFileError, guard

IDENTITIES, EXPRESSIONS = 80, 64  # directions that are used of the Basel models, as in the paper
FACEVERSE_IDENTITIES, FACEVERSE_EXPRESSIONS = 150, 52
MICROMETRES = 1e5  # of Basel 2009's original files in a decimetre
MILLIMETRES = 100  # of Basel 2017 in a decimetre

Loaded = TypeVar("Loaded")


def load_basel2009(path: Path) -> LinearModel:
    """Basel 2009 with Guo's expressions, cropped to the face.

    `path` is a prepared .mat file (`BFM_model_front.mat`, `BFM09_model_info.mat`) with meanshape,
    idBase, exBase, tri and keypoints in decimetres, or a folder with what one is made of:
    01_MorphableModel.mat, Exp_Pca.bin, std_exp.txt, BFM_front_idx.mat, BFM_exp_idx.mat and
    facemodel_info.mat. Raises ValueError naming the file.
    """
    path = Path(path)
    data = _basel_folder(path) if path.is_dir() else _mat(path)

    def build() -> LinearModel:
        mean = np.asarray(data["meanshape"], float).reshape(-1, 3)
        return canonical(
            "bfm2009",
            mean,
            faces=np.asarray(data["tri"], np.int64) - 1,
            identity=_basis(data["idBase"], len(mean), IDENTITIES),
            expression=_basis(data["exBase"], len(mean), EXPRESSIONS),
            landmarks=np.asarray(data["keypoints"], np.int64).reshape(-1) - 1,
            unit=1.0,
        )

    return named(path, build)


def _basel_folder(folder: Path) -> Mapping[str, Any]:
    """The prepared arrays from the original files, as the published preparation scripts do it."""
    raw = _mat(folder / "01_MorphableModel.mat")
    info = _mat(folder / "facemodel_info.mat")
    front = _mat(folder / "BFM_front_idx.mat")
    shape = _mat(folder / "BFM_exp_idx.mat")
    _, directions = guo_expressions(folder / "Exp_Pca.bin")

    def build() -> Mapping[str, Any]:
        deviations = np.loadtxt(folder / "std_exp.txt", dtype=float).reshape(-1)
        at_expression = np.asarray(front["idx"], np.int64).reshape(-1) - 1
        at_shape = np.asarray(shape["trimIndex"], np.int64).reshape(-1)[at_expression] - 1
        identity = (
            np.asarray(raw["shapePC"], float)[:, :IDENTITIES]
            * np.asarray(raw["shapeEV"], float).reshape(-1)[:IDENTITIES]
            / MICROMETRES
        )
        expression = directions.T[:, :EXPRESSIONS] * deviations[:EXPRESSIONS] / MICROMETRES
        mean = np.asarray(raw["shapeMU"], float).reshape(-1, 3)[at_shape] / MICROMETRES
        return {
            "meanshape": mean - mean.mean(0),
            "idBase": _rows_of(identity, at_shape),
            "exBase": _rows_of(expression, at_expression),
            "tri": info["tri"],
            "keypoints": info["keypoints"],
        }

    return named(folder, build)


def _rows_of(basis: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The rows of some vertices of a basis (3 V, n), whose rows are x, y, z of each vertex."""
    count = basis.shape[-1]
    return basis.reshape(-1, 3, count)[vertices].reshape(-1, count)


def guo_expressions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Exp_Pca.bin: the mean (3 n,) and directions (E, 3 n).

    The file holds the int32 number of directions, then float32 values. Raises ValueError.
    """

    def build() -> tuple[np.ndarray, np.ndarray]:
        data = path.read_bytes()
        count = int(np.frombuffer(data[:4], "<i4")[0]) if len(data) > 4 else 0
        values = np.frombuffer(data[4 : 4 + (len(data) - 4) // 4 * 4], "<f4")
        whole = (len(data) - 4) % 4 == 0
        if not 1 <= count <= MAX_DIRECTIONS or not whole or len(values) % (3 * (count + 1)):
            raise RequestError(f"{len(data)} bytes do not hold a mean and {count} directions")
        length = len(values) // (count + 1)
        return values[:length], values[length:].reshape(count, length)

    return named(path, build)


def load_basel2017(path: Path) -> LinearModel:
    """Basel 2017, an .h5 file in millimetres.

    `landmarks68.txt` beside it (68 vertex numbers) names the landmarks. Without that file they are
    carried over from the built-in head by fitting it to the mean face, some millimetres off.
    Raises ValueError naming the file.
    """
    path = Path(path)
    return named(path, lambda: guard(path, lambda: _read_basel2017(path)))


def _read_basel2017(path: Path) -> LinearModel:
    import h5py

    with h5py.File(path) as file:

        def array(name: str, kind: type = float) -> np.ndarray:
            refuse_above(path, file[name].size * np.dtype(kind).itemsize)
            return np.asarray(file[name], dtype=kind)

        points = array("shape/representer/points")
        cells = array("shape/representer/cells", np.int64)
        arrays = {
            f"{kind}/{part}": array(f"{kind}/model/{part}")
            for kind in ("shape", "expression")
            for part in ("mean", "pcaBasis", "pcaVariance")
        }
    count = points.shape[1] if points.shape[0] == 3 else len(points)
    mean = (arrays["shape/mean"] + arrays["expression/mean"]).reshape(count, 3)
    identity = arrays["shape/pcaBasis"] * np.sqrt(arrays["shape/pcaVariance"])
    expression = arrays["expression/pcaBasis"] * np.sqrt(arrays["expression/pcaVariance"])
    faces = cells.T if cells.shape[0] == 3 else cells
    listed = path.with_name("landmarks68.txt")
    if listed.exists():
        landmarks = np.loadtxt(listed, dtype=np.int64).reshape(-1)
    else:
        landmarks = carry_landmarks(mean / MILLIMETRES, faces)
    return canonical(
        "bfm2017",
        mean,
        faces=faces,
        identity=_basis(identity, count, IDENTITIES),
        expression=_basis(expression, count, EXPRESSIONS),
        landmarks=landmarks,
        unit=1 / MILLIMETRES,
    )


def load_faceverse(path: Path) -> LinearModel:
    """FaceVerse v2 (`faceverse_simple_v2.npy`, a pickled dict); y and z are flipped.

    Its unit is not documented: the outer eye corners are brought to the built-in head's distance.
    Raises ValueError naming the file.
    """
    path = Path(path)
    data = load_npy(path)
    if not isinstance(data, dict):
        raise UnsafeFileError(f"{path}: holds no dictionary; is it faceverse_simple_v2.npy?")

    def build() -> LinearModel:
        flip = np.array([1.0, -1.0, -1.0])
        mean = np.asarray(data["meanshape"], float).reshape(-1, 3) * flip
        return canonical(
            "faceverse",
            mean,
            faces=np.asarray(data["tri"], np.int64),
            identity=_basis(data["idBase"], len(mean), FACEVERSE_IDENTITIES) * flip,
            expression=_basis(data["exBase"], len(mean), FACEVERSE_EXPRESSIONS) * flip,
            landmarks=np.asarray(data["keypoints"], np.int64).reshape(-1),
            unit=None,
        )

    return named(path, build)


def _basis(matrix: Any, vertices: int, count: int) -> np.ndarray:
    """The first columns of a matrix (3 V, n) as directions (count, V, 3)."""
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or len(matrix) != 3 * vertices:
        raise RequestError(f"a basis is {matrix.shape}, expected ({3 * vertices}, directions)")
    return np.ascontiguousarray(matrix[:, :count].T).reshape(-1, vertices, 3)


def _mat(path: Path) -> Mapping[str, Any]:
    return guard(path, lambda: read_mat(path))


def named(path: Path, build: Callable[[], Loaded]) -> Loaded:
    """The result of `build()`; its errors become ValueError with the file's name in front."""
    try:
        return build()
    except UnsafeFileError:
        raise
    except KeyError as e:
        raise RequestError(f"{path}: has no {e}; is it the file of another model?") from e
    except (ValueError, TypeError, IndexError, OSError) as e:
        raise RequestError(f"{path}: {e}") from e
