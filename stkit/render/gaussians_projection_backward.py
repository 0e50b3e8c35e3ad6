"""Numba kernel that takes the ellipses' gradients back to means, quaternions, scales and camera.

The derivatives of `gaussians_projection.project`, worked out by hand.
"""

import numpy as np
from numba import njit

from stkit.render.gaussians_constants import FRUSTUM_MARGIN_32, JIT
from stkit.render.gaussians_covariance import camera_axes, covariance, rotation


@njit(**JIT)
def project_backward(
    begin,
    end,
    means,
    quats,
    scales,
    opacities,
    view,
    fx,
    fy,
    cx,
    cy,
    width,
    height,
    eps2d,
    antialiased,
    flat,
    counts,
    grads,
    depth_channel,
    want_view,
    d_means,
    d_quats,
    d_scales,
    d_opacities,
    d_colors,
    d_view,
    d_flat,
):
    """Sum the gradients of each Gaussian's entries in order, then go back through the projection.

    Arguments up to flat as in `gaussians_projection.project`. grads (entries, 6 + D) are those of
    `gaussians_compositing.render_tiles_backward`; entries counts[i] .. counts[i + 1] belong to
    Gaussian i. Adds to d_means, d_quats, d_scales, d_opacities and d_colors, shaped like the
    inputs; the last colour is the depth where depth_channel is set. Writes d_flat (N, 2), the
    gradient of the pixel means, and with want_view d_view (N, 12), each Gaussian's part of the
    view's gradient.
    """
    one, two, half = np.float32(1), np.float32(2), np.float32(0.5)
    D = d_colors.shape[1]
    pos_x = (width - cx) / fx + FRUSTUM_MARGIN_32 * width / fx
    neg_x = cx / fx + FRUSTUM_MARGIN_32 * width / fx
    pos_y = (height - cy) / fy + FRUSTUM_MARGIN_32 * height / fy
    neg_y = cy / fy + FRUSTUM_MARGIN_32 * height / fy
    for i in range(begin, end):
        if counts[i + 1] == counts[i]:
            continue
        g_u = np.float32(0)
        g_v = np.float32(0)
        ga = np.float32(0)
        gb = np.float32(0)
        gc = np.float32(0)
        go = np.float32(0)
        for row in range(counts[i], counts[i + 1]):
            g_u += grads[row, 0]
            g_v += grads[row, 1]
            ga += grads[row, 2]
            gb += grads[row, 3]
            gc += grads[row, 4]
            go += grads[row, 5]
            for c in range(D):
                d_colors[i, c] += grads[row, 6 + c]
        d_flat[i, 0] = g_u
        d_flat[i, 1] = g_v
        mx, my, mz = means[i, 0], means[i, 1], means[i, 2]
        x = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
        y = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
        z = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
        rz = one / z
        in_x = -neg_x <= x * rz <= pos_x
        in_y = -neg_y <= y * rz <= pos_y
        tx = z * min(max(x * rz, -neg_x), pos_x)
        ty = z * min(max(y * rz, -neg_y), pos_y)
        m00, m01, m02, m10, m11, m12, m20, m21, m22 = camera_axes(quats, scales, view, i)
        c00, c01, c02, c11, c12, c22 = covariance(quats, scales, view, i)
        j00, j02, j11, j12 = fx * rz, -fx * tx * rz * rz, fy * rz, -fy * ty * rz * rz
        # conic -> 2D covariance: dV = -Q dQ Q with Q symmetric; the conic counts b once
        qa, qb, qc = flat[i, 2], flat[i, 3], flat[i, 4]
        hb = half * gb
        va = -(qa * qa * ga + two * qa * qb * hb + qb * qb * gc)
        vb = -(qa * qb * ga + qa * qc * hb + qb * qb * hb + qb * qc * gc) * two
        vc = -(qb * qb * ga + two * qb * qc * hb + qc * qc * gc)
        d_opacities[i] += go * flat[i, 5]
        if antialiased and flat[i, 5] > np.float32(0):
            sa = j00 * j00 * c00 + two * j00 * j02 * c02 + j02 * j02 * c22
            sb = j00 * j11 * c01 + j00 * j12 * c02 + j02 * j11 * c12 + j02 * j12 * c22
            sc = j11 * j11 * c11 + two * j11 * j12 * c12 + j12 * j12 * c22
            det0 = sa * sc - sb * sb
            det = (sa + eps2d) * (sc + eps2d) - sb * sb
            g_f = go * opacities[i] * half / flat[i, 5]
            va += g_f * (sc / det - det0 * (sc + eps2d) / (det * det))
            vc += g_f * (sa / det - det0 * (sa + eps2d) / (det * det))
            vb += g_f * two * sb * (det0 / (det * det) - one / det)
        # 2D covariance -> camera-frame covariance (symmetric entries once each) and J
        g00 = j00 * j00 * va
        g01 = j00 * j11 * vb
        g02 = two * j00 * j02 * va + j00 * j12 * vb
        g11 = j11 * j11 * vc
        g12 = two * j11 * j12 * vc + j02 * j11 * vb
        g22 = j02 * j02 * va + j12 * j12 * vc + j02 * j12 * vb
        d_j00 = two * (j00 * c00 + j02 * c02) * va + (j11 * c01 + j12 * c02) * vb
        d_j02 = two * (j00 * c02 + j02 * c22) * va + (j11 * c12 + j12 * c22) * vb
        d_j11 = two * (j11 * c11 + j12 * c12) * vc + (j00 * c01 + j02 * c12) * vb
        d_j12 = two * (j11 * c12 + j12 * c22) * vc + (j00 * c02 + j02 * c22) * vb
        gx = g_u * fx * rz
        gy = g_v * fy * rz
        d_depth = d_colors[i, D - 1] if depth_channel else np.float32(0)
        gz = -(g_u * fx * x + g_v * fy * y) * rz * rz + d_depth
        gz += -(d_j00 * fx + d_j11 * fy) * rz * rz
        if in_x:
            gx += -d_j02 * fx * rz * rz
            gz += d_j02 * two * fx * tx * rz * rz * rz
        else:
            gz += d_j02 * fx * tx * rz * rz * rz
        if in_y:
            gy += -d_j12 * fy * rz * rz
            gz += d_j12 * two * fy * ty * rz * rz * rz
        else:
            gz += d_j12 * fy * ty * rz * rz * rz
        d_means[i, 0] += view[0, 0] * gx + view[1, 0] * gy + view[2, 0] * gz
        d_means[i, 1] += view[0, 1] * gx + view[1, 1] * gy + view[2, 1] * gz
        d_means[i, 2] += view[0, 2] * gx + view[1, 2] * gy + view[2, 2] * gz
        # covariance = M M^T -> M = W R S
        n00 = two * g00 * m00 + g01 * m10 + g02 * m20
        n01 = two * g00 * m01 + g01 * m11 + g02 * m21
        n02 = two * g00 * m02 + g01 * m12 + g02 * m22
        n10 = g01 * m00 + two * g11 * m10 + g12 * m20
        n11 = g01 * m01 + two * g11 * m11 + g12 * m21
        n12 = g01 * m02 + two * g11 * m12 + g12 * m22
        n20 = g02 * m00 + g12 * m10 + two * g22 * m20
        n21 = g02 * m01 + g12 * m11 + two * g22 * m21
        n22 = g02 * m02 + g12 * m12 + two * g22 * m22
        r = rotation(quats, i)
        s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        # d_view: means and W
        for a in range(3 if want_view else 0):
            ga_ = gx if a == 0 else (gy if a == 1 else gz)
            na0 = n00 if a == 0 else (n10 if a == 1 else n20)
            na1 = n01 if a == 0 else (n11 if a == 1 else n21)
            na2 = n02 if a == 0 else (n12 if a == 1 else n22)
            d_view[i, 4 * a + 0] = ga_ * mx + na0 * s0 * r[0] + na1 * s1 * r[1] + na2 * s2 * r[2]
            d_view[i, 4 * a + 1] = ga_ * my + na0 * s0 * r[3] + na1 * s1 * r[4] + na2 * s2 * r[5]
            d_view[i, 4 * a + 2] = ga_ * mz + na0 * s0 * r[6] + na1 * s1 * r[7] + na2 * s2 * r[8]
            d_view[i, 4 * a + 3] = ga_
        p00 = view[0, 0] * n00 + view[1, 0] * n10 + view[2, 0] * n20
        p01 = view[0, 0] * n01 + view[1, 0] * n11 + view[2, 0] * n21
        p02 = view[0, 0] * n02 + view[1, 0] * n12 + view[2, 0] * n22
        p10 = view[0, 1] * n00 + view[1, 1] * n10 + view[2, 1] * n20
        p11 = view[0, 1] * n01 + view[1, 1] * n11 + view[2, 1] * n21
        p12 = view[0, 1] * n02 + view[1, 1] * n12 + view[2, 1] * n22
        p20 = view[0, 2] * n00 + view[1, 2] * n10 + view[2, 2] * n20
        p21 = view[0, 2] * n01 + view[1, 2] * n11 + view[2, 2] * n21
        p22 = view[0, 2] * n02 + view[1, 2] * n12 + view[2, 2] * n22
        d_scales[i, 0] += p00 * r[0] + p10 * r[3] + p20 * r[6]
        d_scales[i, 1] += p01 * r[1] + p11 * r[4] + p21 * r[7]
        d_scales[i, 2] += p02 * r[2] + p12 * r[5] + p22 * r[8]
        p00, p10, p20 = p00 * s0, p10 * s0, p20 * s0
        p01, p11, p21 = p01 * s1, p11 * s1, p21 * s1
        p02, p12, p22 = p02 * s2, p12 * s2, p22 * s2
        w, qx, qy, qz, n = r[9], r[10], r[11], r[12], r[13]
        dw = two * (qx * (p21 - p12) + qy * (p02 - p20) + qz * (p10 - p01))
        dx = two * (-two * qx * (p11 + p22) + qy * (p01 + p10) + qz * (p02 + p20) + w * (p21 - p12))
        dy = two * (qx * (p01 + p10) - two * qy * (p00 + p22) + qz * (p12 + p21) + w * (p02 - p20))
        dz = two * (qx * (p02 + p20) + qy * (p12 + p21) - two * qz * (p00 + p11) + w * (p10 - p01))
        dot = dw * w + dx * qx + dy * qy + dz * qz
        d_quats[i, 0] += (dw - dot * w) * n
        d_quats[i, 1] += (dx - dot * qx) * n
        d_quats[i, 2] += (dy - dot * qy) * n
        d_quats[i, 3] += (dz - dot * qz) * n
