"""A tetrahedral grid and marching tetrahedra: how a signed distance field becomes a triangle mesh.

The grid is a body-centred cubic lattice, whose triangles are better shaped than those of cut cubes.
The SDF is negative inside. kaolin's marching_tetrahedra finds the same surface and serves as oracle
where it is installed. Source: DMTet (Shen et al. 2021); the paper's Sec. 3.2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from torch import Tensor

from stkit.errors import RequestError

EDGES = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])  # of a tetrahedron, by corners


@dataclass(frozen=True)
class TetGrid:
    """N vertices, M tetrahedra and E edges.

    `verts` (N, 3) and `cell`, the lattice's spacing, in decimetres; `tets` (M, 4) and `edges`
    (E, 2) index vertices, `tet_edges` (M, 6) index edges in the order of EDGES.
    """

    verts: Tensor
    tets: np.ndarray
    edges: np.ndarray
    tet_edges: np.ndarray
    cell: float


def bcc_lattice(low: np.ndarray, high: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) and tetrahedra (M, 4) of a body-centred cubic lattice over a box.

    Each face between two cells makes four tetrahedra: both cells' centres with one of its edges.
    """
    n = np.maximum(np.ceil((np.asarray(high) - low) / cell).astype(int), 1)
    corners = np.stack(np.meshgrid(*[np.arange(k + 1) for k in n], indexing="ij"), -1)
    centres = np.stack(np.meshgrid(*[np.arange(k) for k in n], indexing="ij"), -1) + 0.5
    verts = np.concatenate([corners.reshape(-1, 3), centres.reshape(-1, 3)]) * cell + low
    corner_id = np.arange(np.prod(n + 1)).reshape(n + 1)
    centre_id = np.arange(np.prod(n)).reshape(n) + corner_id.size
    tets = []
    for axis in range(3):
        lower = np.take(centre_id, np.arange(n[axis] - 1), axis)
        upper = np.take(centre_id, np.arange(1, n[axis]), axis)
        ring = _face_corners(np.take(corner_id, np.arange(1, n[axis]), axis), n, axis)
        for k in range(4):
            tets.append(np.stack([lower, upper, ring[k], ring[(k + 1) % 4]], -1).reshape(-1, 4))
    return verts, np.concatenate(tets)


def _face_corners(corner_id: np.ndarray, n: np.ndarray, axis: int) -> list[np.ndarray]:
    """The four corners, going round, of every face across `axis` of a lattice of n (3,) cells."""
    u, v = (k for k in range(3) if k != axis)
    ring = []
    for du, dv in ((0, 0), (1, 0), (1, 1), (0, 1)):
        cut = [slice(None)] * 3
        cut[u] = slice(du, n[u] + du)
        cut[v] = slice(dv, n[v] + dv)
        ring.append(corner_id[tuple(cut)])
    return ring


def make_grid(
    low, high, cell: float, keep: Callable[[np.ndarray], np.ndarray] | None = None
) -> TetGrid:
    """A grid over the box from low (3,) to high (3,), decimetres.

    `keep`, a function of vertices (N, 3) to a mask (N,), drops tetrahedra that have no kept vertex.
    """
    verts, tets = bcc_lattice(np.asarray(low, float), np.asarray(high, float), cell)
    if keep is not None:
        tets = tets[keep(verts)[tets].any(1)]
        used, tets = np.unique(tets, return_inverse=True)
        verts, tets = verts[used], tets.reshape(-1, 4)
    pairs = np.sort(tets[:, EDGES].reshape(-1, 2), 1)
    keys, tet_edges = np.unique(pairs[:, 0] * len(verts) + pairs[:, 1], return_inverse=True)
    edges = np.stack([keys // len(verts), keys % len(verts)], 1)
    nodes = torch.from_numpy(verts.astype(np.float32))
    return TetGrid(nodes, tets, edges, tet_edges.reshape(-1, 6), cell)


@njit(cache=True, nogil=True)
def _march(tets, tet_edges, active, sdf, edge_vertex, edge_list, faces, owner):
    """Number the edges that the surface crosses and write the faces; returns both counts.

    Walks the tetrahedra active (A,). Writes edge_vertex (E,), an edge's vertex or -1; edge_list,
    the edge of each vertex; faces (2 A, 3) of vertices; and owner (2 A,), a face's tetrahedron.
    """
    nv = 0
    nf = 0
    quad = np.empty(4, np.int64)
    for a in range(active.shape[0]):
        t = active[a]
        inside = 0
        for k in range(4):
            inside += sdf[tets[t, k]] < 0
        if inside == 0 or inside == 4:
            continue
        n = 0
        for e in range(6):
            i = 0 if e < 3 else (1 if e < 5 else 2)
            j = e + 1 if e < 3 else (e - 1 if e < 5 else 3)
            if (sdf[tets[t, i]] < 0) != (sdf[tets[t, j]] < 0):
                edge = tet_edges[t, e]
                if edge_vertex[edge] < 0:
                    edge_vertex[edge] = nv
                    edge_list[nv] = edge
                    nv += 1
                quad[n] = edge_vertex[edge]
                n += 1
        if inside == 2:
            # the four edges come in the order pr, ps, qr, qs (or pr, qr, ps, qs), so 0-1-3-2 goes
            # round the quad
            faces[nf, 0], faces[nf, 1], faces[nf, 2] = quad[0], quad[1], quad[3]
            faces[nf + 1, 0], faces[nf + 1, 1], faces[nf + 1, 2] = quad[0], quad[3], quad[2]
            new = 2
        else:
            faces[nf, 0], faces[nf, 1], faces[nf, 2] = quad[0], quad[1], quad[2]
            new = 1
        for f in range(nf, nf + new):
            owner[f] = t
        nf += new
    return nv, nf


@njit(cache=True, nogil=True)
def _orient(faces, points, owner, tets, sdf, verts):
    """Turn faces whose normals point to the inside corners of their tetrahedron instead of away."""
    for f in range(faces.shape[0]):
        inside = 0
        for k in range(4):
            inside += sdf[tets[owner[f], k]] < 0
        a, b, c = faces[f]
        outwards = 0.0
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            ab_j, ab_k = points[b, j] - points[a, j], points[b, k] - points[a, k]
            ac_j, ac_k = points[c, j] - points[a, j], points[c, k] - points[a, k]
            normal = ab_j * ac_k - ab_k * ac_j
            for corner in range(4):
                v = tets[owner[f], corner]
                share = -1 / inside if sdf[v] < 0 else 1 / (4 - inside)
                outwards += normal * verts[v, i] * share
        if outwards < 0:
            faces[f, 1], faces[f, 2] = c, b


def marching_tetrahedra(
    grid: TetGrid, verts: Tensor, sdf: Tensor, active: np.ndarray | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The zero surface of sdf (N,) on the grid's (possibly moved) verts (N, 3).

    Returns vertices (V, 3), faces (F, 3) with normals pointing to positive sdf, the grid edge ends
    (V, 2) each vertex lies on, and its weight (V, 2) of them: any per-vertex array follows as
    (a * w).sum(1). Differentiable in verts and sdf. `active` (A,) limits the search to some
    tetrahedra. Raises ValueError when the sdf has no sign change.
    """
    value = sdf.detach().cpu().numpy().astype(np.float32)
    active = np.arange(len(grid.tets)) if active is None else active
    edge_vertex = np.full(len(grid.edges), -1, np.int64)
    edge_list = np.empty(len(grid.edges), np.int64)
    faces = np.empty((2 * len(active), 3), np.int64)
    owner = np.empty(2 * len(active), np.int64)
    nv, nf = _march(grid.tets, grid.tet_edges, active, value, edge_vertex, edge_list, faces, owner)
    if nf == 0:
        side = "outside" if value.min() >= 0 else "inside"
        raise RequestError(
            f"marching tetrahedra: every grid point is {side} the surface, so there is no mesh. "
            "Usual causes: the fit's scale is off, or the SDF's learning rate is too high; look at "
            "notebook 02's grid picture"
        )
    ends = torch.from_numpy(grid.edges[edge_list[:nv]]).to(sdf.device)
    a, b = ends.unbind(1)
    at_a, at_b = sdf.index_select(0, a), sdf.index_select(0, b)
    weight = torch.stack([at_b, -at_a], 1) / (at_b - at_a)[:, None]
    points = verts.index_select(0, a) * weight[:, :1] + verts.index_select(0, b) * weight[:, 1:]
    found = faces[:nf].copy()
    points_np, verts_np = points.detach().cpu().numpy(), verts.detach().cpu().numpy()
    _orient(found, points_np, owner, grid.tets, value, verts_np)
    return points, torch.from_numpy(found).to(sdf.device), ends, weight


def active_tets(grid: TetGrid, sdf: Tensor, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Tetrahedra (A,) with a corner within `margin` (dm) of the surface, and their vertices (K,).

    The vertices are sorted.
    """
    near = (sdf.detach().cpu().numpy() ** 2 < margin**2)[grid.tets].any(1)
    tets = np.flatnonzero(near)
    return tets, np.unique(grid.tets[tets])
