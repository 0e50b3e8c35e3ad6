"""The renderers of CUDA against the CPU's: python -m pytest tests/gpu, on a machine with a GPU."""

import parity
import pytest
import torch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def test_gsplat_and_the_cpu_kernels_agree():
    pytest.importorskip("gsplat", reason="gsplat is not installed")
    parity.check_gaussians("cuda")


def test_dibr_and_the_cpu_renderer_agree():
    pytest.importorskip("kaolin.render.mesh", reason="kaolin is not installed")
    parity.check_open_mesh("cuda")
    parity.check_closed_mesh("cuda")
