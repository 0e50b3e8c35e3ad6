"""From one face model to another: landmarks for a mesh that has none, and expressions.

Expressions are carried over by what they do to the landmarks, which every face model has.
"""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import pad

from stkit.errors import RequestError
from stkit.face_models.builtin import BuiltinHead, builtin
from stkit.face_models.landmarks import EYE_CORNERS, KEPT_66
from stkit.face_models.protocol import FaceModel
from stkit.face_models.seated import BETAS
from stkit.geometry import nearest, umeyama, vertex_normals

NOSE_TIP = 30  # iBUG
STIFFNESS = 2e-4  # of the ridge regression per landmark; the kit's, chosen on synthetic faces

# `carry_landmarks`: the kit's numbers, chosen on the built-in head and miniatures of the others
ROUNDS = 40
SIMILARITY_ROUNDS = 10  # before the identity directions may move too
NEAR_LANDMARKS = 0.15  # decimetres: skin as near as this to a dense landmark belongs to the face
FORWARD = 0.1  # least z of a unit normal that looks forward
SAMPLES = 3000  # vertices of the built-in face that are fitted to the mesh
MIDDLE = 0.3  # decimetres from the middle line within which the nose tip is looked for
FIRST_REACH = 0.5  # decimetres within which a vertex follows its nearest point, in the first round
REACH_DECAY = 0.93  # of the reach, from round to round
LAST_REACH = 0.06  # decimetres
IDENTITY_STIFFNESS = 0.3


def carry_landmarks(mean: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The vertices (68,) of a face mesh nearest to the built-in head's landmarks.

    mean (V, 3) is in decimetres, upright and looking along +z; faces (F, 3). The built-in head is
    fitted to the surface: it starts with both nose tips together, and each round moves it by a
    similarity and by its identity directions towards the nearest points of the surface. Raises
    ValueError for a mesh without a middle line.
    """
    head = builtin()
    used = np.unique(faces)
    target = mean[used]
    tree = cKDTree(target)
    ids = _face_samples(head)
    base = head.mean[ids].numpy().astype(float)
    basis = head.identity[:, ids].numpy().astype(float)
    coefficients = np.zeros(len(basis))
    scale = 1.0
    R = np.eye(3)
    T = _nose_tip(target) - head.mean[head.landmarks[NOSE_TIP]].numpy()
    for k in range(ROUNDS):
        shape = base + np.einsum("i,ivk->vk", coefficients, basis)
        distance, index = tree.query(scale * shape @ R.T + T)
        reach = max(FIRST_REACH * REACH_DECAY**k, LAST_REACH)
        weights = (distance < reach).astype(float)[:, None]
        goal = target[index]
        R, T, scale = _similarity(shape, goal, weights)
        if k > SIMILARITY_ROUNDS:
            rest = ((goal - T) @ R / scale - base) * weights
            A = (basis * weights).reshape(len(basis), -1)
            stiff = IDENTITY_STIFFNESS * np.eye(len(basis))
            coefficients = np.linalg.solve(A @ A.T + stiff, A @ rest.reshape(-1))
    marks = head.verts(torch.from_numpy(coefficients).float())[head.landmarks].numpy()
    return used[tree.query(scale * marks @ R.T + T)[1]]


def _face_samples(head: BuiltinHead) -> np.ndarray:
    """About `SAMPLES` vertices of the built-in face's skin, in front."""
    near = nearest(head.mean, head.mean[head.dense]).distances[:, 0] < NEAR_LANDMARKS
    forward = vertex_normals(head.mean, head.faces)[:, 2] > FORWARD
    ids = torch.nonzero(near & forward & head.part("skin"))[:, 0].numpy()
    return ids[:: max(1, len(ids) // SAMPLES)]


def _nose_tip(points: np.ndarray) -> np.ndarray:
    """The foremost point near the middle line of points (N, 3)."""
    middle = points[np.abs(points[:, 0] - np.median(points[:, 0])) < MIDDLE]
    if not len(middle):
        raise RequestError(
            "the mesh has no middle line: is it a face, upright and looking along +z?"
        )
    return middle[middle[:, 2].argmax()]


def _similarity(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """`umeyama` of arrays: R, T and scale."""
    R, T, scale = umeyama(
        torch.from_numpy(a), torch.from_numpy(b), weights=torch.from_numpy(weights)
    )
    return R.numpy(), T.numpy(), float(scale)


def beta_of(points: Tensor, neutral: Tensor, face: FaceModel) -> Tensor:
    """Expressions (F, 64) of `face` whose landmarks move as canonical points (F, 66, 3) do.

    Movements count from `neutral` (66, 3) and are scaled by the two faces' eye distances. Ridge
    regression on what each coefficient does alone.
    """
    ids = face.landmarks[KEPT_66]
    identity = torch.zeros(len(face.identity))
    count = face.betas
    rest = face.points(ids, identity, torch.zeros(1, count))[0]
    move = (points - neutral) * _eye_distance(rest) / _eye_distance(neutral).clamp_min(1e-6)
    A = (face.points(ids, identity, torch.eye(count)) - rest).reshape(count, -1)
    stiff = STIFFNESS * len(ids) * torch.eye(count)
    beta = torch.linalg.solve(A @ A.T + stiff, A @ move.reshape(len(move), -1).T).T
    return pad(beta, (0, BETAS - count))


def _eye_distance(landmarks: Tensor) -> Tensor:
    """Distance of the outer eye corners, which have the same numbers among the 66 and the 68."""
    right, left = EYE_CORNERS
    return (landmarks[right] - landmarks[left]).norm()


def carry_expressions(beta: Tensor, source: FaceModel, target: FaceModel) -> Tensor:
    """Expressions (F, 64) of `source` as those of `target` that move its mean face the same way.

    Both are the built-in head or `Seated`. Models of one kind share the numbers themselves.
    """
    if source.name == target.name:
        return beta
    ids = source.landmarks[KEPT_66]
    identity = torch.zeros(len(source.identity))
    points = source.points(ids, identity, torch.cat([beta, torch.zeros(1, BETAS)]))
    return beta_of(points[:-1], points[-1], target)


def named_expression(moves: dict[str, float], face: FaceModel) -> Tensor:
    """The expression (64,) of `face` for named directions of the built-in head.

    For example {"jawOpen": 0.7}. Raises ValueError for a name that the built-in head lacks.
    """
    head = builtin()
    beta = torch.zeros(1, BETAS)
    for name, value in moves.items():
        beta[0, head.expression_names.index(name)] = value
    return carry_expressions(beta, head, face)[0]
