"""Face models that a person obtained, read from the files as they are distributed. Nothing in them is executed.

Basel 2009 (lineage.md 2: 80 identity, 64 of Guo et al.'s expression directions), Basel 2017, FaceVerse v2. FLAME: `flame.py`.
"""

from pathlib import Path

import numpy as np

from stkit.face_models.linear import LinearModel, canonical
from stkit.io.safe_pickle import load_npy
from stkit.io.untrusted import UnsafeFileError, guard


def load_basel2009(path: Path, identities: int = 80, expressions: int = 64) -> LinearModel:
    """Basel 2009 with Guo's expressions, cropped to the face: a prepared .mat file, or a folder with what one is made of.

    Prepared (`BFM_model_front.mat`, `BFM09_model_info.mat`): meanshape, idBase, exBase, tri, keypoints, in decimetres.
    Folder: 01_MorphableModel.mat, Exp_Pca.bin, std_exp.txt, BFM_front_idx.mat, BFM_exp_idx.mat, facemodel_info.mat.
    """
    path = Path(path)
    data = _basel_folder(path, identities, expressions) if path.is_dir() else _mat(path)

    def build():
        mean = np.asarray(data["meanshape"], float).reshape(-1, 3)
        identity, expression = (
            _basis(data[k], len(mean), n)
            for k, n in (("idBase", identities), ("exBase", expressions))
        )
        faces, marks = (
            np.asarray(data["tri"], np.int64) - 1,
            np.asarray(data["keypoints"], np.int64).reshape(-1) - 1,
        )
        return canonical("bfm2009", mean, faces, identity, expression, marks, 1.0)

    return _named(path, build)


def _basel_folder(folder: Path, identities: int, expressions: int) -> dict:
    """The prepared arrays from the original files; crop and index maps as in the published preparation scripts."""
    raw, info = _mat(folder / "01_MorphableModel.mat"), _mat(folder / "facemodel_info.mat")
    front, shape = _mat(folder / "BFM_front_idx.mat"), _mat(folder / "BFM_exp_idx.mat")
    points, directions = guo_expressions(folder / "Exp_Pca.bin")

    def build():
        std = np.loadtxt(folder / "std_exp.txt", dtype=float).reshape(-1)
        at_expression = np.asarray(front["idx"], np.int64).reshape(-1) - 1
        at_shape = np.asarray(shape["trimIndex"], np.int64).reshape(-1)[at_expression] - 1
        pick = lambda a, at: a.reshape(-1, 3, a.shape[-1])[at].reshape(-1, a.shape[-1])
        identity = (
            np.asarray(raw["shapePC"], float)[:, :identities]
            * np.asarray(raw["shapeEV"], float).reshape(-1)[:identities]
            / 1e5
        )
        expression = directions.T[:, :expressions] * std[:expressions] / 1e5
        mean = np.asarray(raw["shapeMU"], float).reshape(-1, 3)[at_shape] / 1e5
        return {
            "meanshape": mean - mean.mean(0),
            "idBase": pick(identity, at_shape),
            "exBase": pick(expression, at_expression),
            "tri": info["tri"],
            "keypoints": info["keypoints"],
        }

    return _named(folder, build)


def guo_expressions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Exp_Pca.bin: mean (3 n,) and directions (E, 3 n), float32 after the int32 number of directions."""

    def build():
        data = path.read_bytes()
        count = int(np.frombuffer(data[:4], "<i4")[0]) if len(data) > 4 else 0
        values = np.frombuffer(data[4 : 4 + (len(data) - 4) // 4 * 4], "<f4")
        if not 1 <= count <= 400 or (len(data) - 4) % 4 or len(values) % (3 * (count + 1)):
            raise ValueError(f"{len(data)} bytes do not hold a mean and {count} directions")
        n = len(values) // (count + 1)
        return values[:n], values[n:].reshape(count, n)

    return _named(path, build)


def load_basel2017(path: Path, identities: int = 80, expressions: int = 64) -> LinearModel:
    """Basel 2017, an .h5 file in millimetres. `landmarks68.txt` beside it (68 vertex numbers) names the landmarks.

    Without that file they are carried over from the built-in head by fitting it to the mean face (some millimetres off).
    """
    import h5py

    path = Path(path)

    def build():
        with h5py.File(path) as f:
            get = lambda key: np.asarray(f[key], dtype=float)
            points = get("shape/representer/points")
            V = points.shape[1] if points.shape[0] == 3 else len(points)
            mean = (get("shape/model/mean") + get("expression/model/mean")).reshape(V, 3)
            scaled = lambda kind: (
                get(f"{kind}/model/pcaBasis") * np.sqrt(get(f"{kind}/model/pcaVariance"))
            )
            identity, expression = (
                _basis(scaled("shape"), V, identities),
                _basis(scaled("expression"), V, expressions),
            )
            cells = np.asarray(f["shape/representer/cells"], np.int64)
        faces = cells.T if cells.shape[0] == 3 else cells
        listed = path.with_name("landmarks68.txt")
        if listed.exists():
            marks = np.loadtxt(listed, dtype=np.int64).reshape(-1)
        else:
            from stkit.face_models.transfer import carry_landmarks

            marks = carry_landmarks(mean / 100, faces)
        return canonical("bfm2017", mean, faces, identity, expression, marks, 0.01)

    return _named(path, lambda: guard(path, build))


def load_faceverse(path: Path) -> LinearModel:
    """FaceVerse v2 (`faceverse_simple_v2.npy`, a pickled dict): 150 identity, 52 expression directions; y and z are flipped.

    Its unit is not documented: the outer eye corners are brought to the built-in head's distance.
    """
    data = load_npy(path)
    if not isinstance(data, dict):
        raise UnsafeFileError(f"{path}: holds no dictionary; is it faceverse_simple_v2.npy?")

    def build():
        flip = np.array([1.0, -1.0, -1.0])
        mean = np.asarray(data["meanshape"], float).reshape(-1, 3) * flip
        identity, expression = (
            _basis(data[k], len(mean), n) * flip for k, n in (("idBase", 150), ("exBase", 52))
        )
        faces, marks = (
            np.asarray(data["tri"], np.int64),
            np.asarray(data["keypoints"], np.int64).reshape(-1),
        )
        return canonical("faceverse", mean, faces, identity, expression, marks, None)

    return _named(path, build)


def _basis(matrix, V: int, count: int) -> np.ndarray:
    """Columns (3 V, n) as directions (count, V, 3)."""
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or len(matrix) != 3 * V:
        raise ValueError(f"a basis is {matrix.shape}, expected ({3 * V}, directions)")
    return np.ascontiguousarray(matrix[:, :count].T).reshape(-1, V, 3)


def _mat(path: Path) -> dict:
    import scipy.io

    return guard(path, lambda: scipy.io.loadmat(path))


def _named(path: Path, build):
    """Errors of `build` with the file's name in front."""
    try:
        return build()
    except UnsafeFileError:
        raise
    except KeyError as e:
        raise ValueError(f"{path}: has no {e}; is it the file of another model?") from e
    except (ValueError, TypeError, IndexError, OSError) as e:
        raise ValueError(f"{path}: {e}") from e
