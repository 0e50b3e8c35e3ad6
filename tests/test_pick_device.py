"""The device of a stage is found out by using what the stage needs, not by a package's name."""

import sys
from types import ModuleType, SimpleNamespace

import fake_kaolin
import pytest
import torch
from away import MakeBelieveGPU, gsplat_on_cpu, on_cpu

from stkit.render import backends, pick_device
from stkit.render.devices import package_problem


@pytest.fixture(autouse=True)
def _forget():
    """What was found out on the real machine, or by the test before."""
    package_problem.cache_clear()
    yield
    package_problem.cache_clear()


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, and with gsplat and kaolin that work."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "gsplat", gsplat_on_cpu())
    fake_kaolin.install(monkeypatch, on_cpu)
    with MakeBelieveGPU():
        yield monkeypatch


def without_render_mesh(monkeypatch) -> None:
    """PyPI's kaolin 0.1: a package of that name with nothing in it."""
    for name in ("kaolin.render", "kaolin.render.mesh"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kaolin", ModuleType("kaolin"))


def test_where_all_works_auto_is_the_gpu(gpu):
    assert pick_device() == "cuda" == pick_device("cuda") and pick_device("cpu") == "cpu"
    assert backends() == ["gsplat", "cpu", "reference"]


def test_an_empty_kaolin_keeps_only_the_stages_that_need_it_on_the_cpu(gpu):
    without_render_mesh(gpu)
    assert pick_device() == "cpu" == pick_device("auto", needs=("kaolin",))
    assert pick_device(needs=("gsplat",)) == "cuda" == pick_device("cuda", needs=("gsplat",))
    with pytest.raises(ValueError, match=r"needs kaolin.*kaolin\.render") as caught:
        pick_device("cuda")
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_gsplat_that_cannot_compile_is_told_with_its_reason(gpu):
    def rasterization(**_):
        raise RuntimeError("nvcc was not found")

    gpu.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    assert pick_device() == "cpu" == pick_device("auto", needs=("gsplat",))
    assert pick_device("auto", needs=("kaolin",)) == "cuda" and "gsplat" not in backends()
    with pytest.raises(ValueError, match="needs gsplat.*nvcc was not found") as caught:
        pick_device("cuda", needs=("gsplat",))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_each_package_is_tried_once(gpu):
    calls = []

    def rasterization(**options):
        calls.append(options["means"].shape)
        return gsplat_on_cpu().rasterization(**options)

    gpu.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    assert [pick_device() for _ in range(3)] == ["cuda"] * 3 and calls == [(1, 3)]


def test_the_probe_draws_a_gaussian_that_is_in_view(gpu):
    drawn = []

    def rasterization(**options):
        image, alpha, info = gsplat_on_cpu().rasterization(**options)
        drawn.append(float(alpha.max()))
        return image, alpha, info

    gpu.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    assert pick_device(needs=("gsplat",)) == "cuda" and drawn[0] > 0.3


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == "cpu" and backends() == ["cpu", "reference"]
    with pytest.raises(ValueError, match="sees no GPU"):
        pick_device("cuda", needs=())


def test_unknown_devices_and_packages_are_refused_by_name():
    with pytest.raises(ValueError, match="device 'tpu' is not one of auto, cpu, cuda"):
        pick_device("tpu")
    with pytest.raises(ValueError, match="needs 'nvdiffrast' is not one of gsplat, kaolin"):
        pick_device(needs=("nvdiffrast",))
