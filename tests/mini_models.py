"""Small face models written in the formats of the real ones, from the built-in head: no licensed
asset is needed to test a loader.
"""

import json
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import torch

from stkit import face_models

IDS, EXPS = 80, 64


def parts(step: int = 1):
    """The built-in head as arrays: mean (V, 3), faces, identity (80, V, 3), expression (64, V, 3),
    landmarks.
    """
    m = face_models.get()
    return (
        m.mean.numpy(),
        m.faces.numpy(),
        m.identity[:IDS].numpy(),
        m.expression.numpy(),
        m.landmarks.numpy(),
    )


def columns(basis: np.ndarray) -> np.ndarray:
    return basis.reshape(len(basis), -1).T


def write_basel2009(folder: Path) -> Path:
    import scipy.io

    mean, faces, identity, expression, marks = parts()
    path = folder / "BFM_model_front.mat"
    scipy.io.savemat(
        path,
        {
            "meanshape": mean.reshape(1, -1),
            "idBase": columns(identity),
            "exBase": columns(expression),
            "tri": faces + 1,
            "keypoints": marks[None] + 1,
        },
    )
    return path


def write_basel2009_folder(folder: Path) -> Path:
    """The original files: here the crop keeps every second vertex of a mesh that the expressions
    know whole.
    """
    import scipy.io

    mean, faces, identity, expression, marks = parts()
    keep = np.arange(len(mean))
    scale = np.linspace(2, 1, IDS)
    scipy.io.savemat(
        folder / "01_MorphableModel.mat",
        {
            "shapeMU": mean.reshape(-1, 1) * 1e5,
            "shapePC": columns(identity) * 1e5 / scale,
            "shapeEV": scale[:, None],
        },
    )
    scipy.io.savemat(
        folder / "facemodel_info.mat", {"tri": faces + 1, "keypoints": marks[None] + 1}
    )
    scipy.io.savemat(folder / "BFM_front_idx.mat", {"idx": keep[:, None] + 1})
    scipy.io.savemat(folder / "BFM_exp_idx.mat", {"trimIndex": keep[:, None] + 1})
    std = np.linspace(3, 1, EXPS)
    np.savetxt(folder / "std_exp.txt", std[None])
    data = np.concatenate(
        [np.zeros(mean.size), (expression.reshape(EXPS, -1) * 1e5 / std[:, None]).reshape(-1)]
    ).astype("<f4")
    (folder / "Exp_Pca.bin").write_bytes(np.array([EXPS], "<i4").tobytes() + data.tobytes())
    return folder


def write_basel2017(folder: Path, landmarks: bool = True) -> Path:
    import h5py

    mean, faces, identity, expression, marks = parts()
    path = folder / "model2017-1_face12_nomouth.h5"
    with h5py.File(path, "w") as f:
        f["shape/representer/points"], f["shape/representer/cells"] = mean.T * 100, faces.T
        f["shape/model/mean"], f["expression/model/mean"] = (
            mean.reshape(-1) * 100,
            np.zeros(mean.size),
        )
        f["shape/model/pcaBasis"], f["shape/model/pcaVariance"] = (
            columns(identity) * 100 / 2,
            np.full(IDS, 4.0),
        )
        f["expression/model/pcaBasis"], f["expression/model/pcaVariance"] = (
            columns(expression) * 100 / 3,
            np.full(EXPS, 9.0),
        )
    if landmarks:
        np.savetxt(folder / "landmarks68.txt", marks, fmt="%d")
    return path


def write_faceverse(folder: Path) -> Path:
    mean, faces, identity, expression, marks = parts()
    flip = np.array([1, -1, -1.0], np.float32)

    def pad(basis, n):
        return np.concatenate(
            [basis, np.zeros((max(0, n - len(basis)), *basis.shape[1:]), np.float32)]
        )[:n]

    path = folder / "faceverse_simple_v2.npy"
    data = {
        "meanshape": (mean * flip * 7.3).reshape(1, -1),
        "idBase": columns(pad(identity, 150) * flip * 7.3),
        "exBase": columns(pad(expression, 52) * flip * 7.3),
        "tri": faces,
        "keypoints": marks,
    }
    np.save(path, np.array(data, dtype=object), allow_pickle=True)
    return path


def write_flame(folder: Path, split_embedding: bool = False) -> Path:
    """A FLAME pickle as distributed: chumpy arrays, a scipy regressor, protocol 2; the jaw's
    weights from the built-in jaw direction.
    """
    import scipy.sparse

    mean, faces, identity, expression, marks = parts()
    V = len(mean)
    module = types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x):
            self.x = x

        def __reduce_ex__(self, _):
            return _rebuild, (Ch,), {"x": self.x, "_dirty": True}

    Ch.__module__, Ch.__qualname__, Ch.__name__ = "chumpy.ch", "Ch", "Ch"
    module.Ch = Ch
    names = face_models.get().expression_names
    move = np.linalg.norm(expression[names.index("jawOpen")], axis=1)
    jaw = np.clip(move / move.max() * 1.2, 0, 1)
    weights = np.zeros((V, 5))
    weights[:, 2], weights[:, 1] = jaw, 1 - jaw
    regressor = np.zeros((5, V))
    head = np.array(
        [[0, -1.5, -0.6], [0, -0.9, -0.5], [0, -0.25, -0.35], [0.32, 0.1, 0.4], [-0.32, 0.1, 0.4]]
    )
    for j, at in enumerate(head):
        regressor[j, ((mean - at) ** 2).sum(1).argmin()] = 1
    shapes = np.zeros((V, 3, 400), np.float64)
    shapes[..., :IDS] = np.moveaxis(identity, 0, 2) / 10
    keep = [k for k, n in enumerate(names) if n != "jawOpen"][:50]
    shapes[..., 300:350] = np.moveaxis(expression[keep], 0, 2) / 10
    data = {
        "v_template": Ch(mean.astype(np.float64) / 10),
        "shapedirs": Ch(shapes),
        "posedirs": np.zeros((V, 3, 36)),
        "f": faces.astype(np.uint32),
        "weights": Ch(weights),
        "J_regressor": scipy.sparse.csc_matrix(regressor),
        "kintree_table": np.zeros((2, 5), np.uint32),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
    }
    sys.modules["chumpy"], sys.modules["chumpy.ch"] = types.ModuleType("chumpy"), module
    try:
        path = folder / "generic_model.pkl"
        path.write_bytes(pickle.dumps(data, protocol=2))
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]
    triangles, bary = [], []
    first = {
        int(v): (k, c) for c in range(2, -1, -1) for k, v in reversed(list(enumerate(faces[:, c])))
    }
    for v in marks:
        k, c = first[int(v)]
        triangles.append(k)
        bary.append(np.eye(3)[c] * 0.8 + 0.2 / 3)
    triangles, bary = np.array(triangles), np.array(bary)
    if split_embedding:
        (folder / "flame_static_embedding.pkl").write_bytes(
            pickle.dumps({"lmk_face_idx": triangles[17:], "lmk_b_coords": bary[17:]}, protocol=2)
        )
        moving = {
            "lmk_face_idx": np.repeat(triangles[None, :17], 3, 0),
            "lmk_b_coords": np.repeat(bary[None, :17], 3, 0),
        }
        np.save(
            folder / "flame_dynamic_embedding.npy",
            np.array(moving, dtype=object),
            allow_pickle=True,
        )
    else:
        whole = {"full_lmk_faces_idx": triangles[None], "full_lmk_bary_coords": bary[None]}
        np.save(folder / "landmark_embedding.npy", np.array(whole, dtype=object), allow_pickle=True)
    return path


def _rebuild(kind):
    return kind.__new__(kind)


WRITERS = {
    "bfm2009": write_basel2009,
    "bfm2017": write_basel2017,
    "faceverse": write_faceverse,
    "flame": write_flame,
}


def clip_of_points(frames: int = 40):
    """MediaPipe-like points (F, 478, 2) of the built-in head talking and turning, with the camera
    and the truth.
    """
    from stkit.cameras import front_camera
    from stkit.capture.gaze import EYES
    from stkit.capture.landmark_terms import posed_points
    from stkit.face_models.landmarks import MEDIAPIPE_68
    from stkit.synthetic.subject import make_subject

    m = face_models.get()
    subject = make_subject(5, frames, seconds=3.0)
    p, camera = subject.performance, front_camera(256)
    points = np.zeros((frames, 478, 2), np.float32)
    world = posed_points(
        m,
        torch.cat([m.dense, m.landmarks, m.pupils.flatten()]),
        torch.zeros(len(m.identity)),
        torch.tensor(1.0),
        p.beta,
        p.pose,
    )
    at = camera.project(world).numpy()
    points[:, m.dense_mediapipe.numpy()] = at[:, : len(m.dense)]
    points[:, MEDIAPIPE_68] = at[:, len(m.dense) : len(m.dense) + 68]
    points[:, [eye.iris for eye in EYES]] = (
        at[:, len(m.dense) + 68 :].reshape(frames, 2, -1, 2).mean(2)
    )
    return points, camera, subject


SVD_CONFIG = {  # of a small UNet with the layout of SVD-XT
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": [32, 32, 64, 64],
    "layers_per_block": 2,
    "num_attention_heads": [2, 2, 4, 4],
    "cross_attention_dim": 16,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24,
    "sample_size": 8,
    "num_frames": 18,
    "transformer_layers_per_block": 1,
    "_class_name": "UNetSpatioTemporalConditionModel",
}


def write_svd_folder(folder: Path) -> Path:
    """A diffusers folder of SVD-XT's layout without weights."""
    for part in ("unet", "vae", "image_encoder"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text("{}")
    index = {"_class_name": "StableVideoDiffusionPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "unet" / "config.json").write_text(json.dumps(SVD_CONFIG))
    return folder
