"""Which device and which renderers this machine can really use, found out by trying them once."""

from collections.abc import Callable, Sequence
from functools import cache

import torch

from stkit.errors import RequestError

DEVICES = ("auto", "cpu", "cuda")
GPU_PACKAGES = ("gsplat", "kaolin")  # the Gaussian and the mesh renderer on CUDA


def backends() -> list[str]:
    """The Gaussian backends this machine can run, best first."""
    found = ["cpu", "reference"]
    if torch.cuda.is_available() and package_problem("gsplat") is None:
        found.insert(0, "gsplat")
    return found


def pick_device(name: str = "auto", needs: Sequence[str] = GPU_PACKAGES) -> str:
    """'cpu' or 'cuda': the device that `name` (auto, cpu or cuda) means on this machine.

    `needs` lists the packages that the work needs on CUDA: the mesh stage needs kaolin, the
    Gaussian and the edit stage need gsplat alone. 'auto' is 'cuda' where torch sees a GPU and all
    of these packages work.

    Raises ValueError for an unknown name or package, and with the reason (chained) where 'cuda' is
    asked for and cannot be had.
    """
    if name not in DEVICES:
        raise RequestError(f"device {name!r} is not one of {', '.join(DEVICES)}")
    for package in needs:
        if package not in GPU_PACKAGES:
            raise RequestError(f"needs {package!r} is not one of {', '.join(GPU_PACKAGES)}")
    if name == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if name == "auto":
            return "cpu"
        raise RequestError(
            "device 'cuda': torch sees no GPU here; `stkit doctor` says more. "
            "Leave --device out to run on the CPU"
        )
    for package in needs:
        problem = package_problem(package)
        if problem is None:
            continue
        if name == "auto":
            return "cpu"
        raise RequestError(
            f"device 'cuda' needs {package}, which does not work here "
            f"({type(problem).__name__}: {problem}); environment.yml has the version that fits"
        ) from problem
    return "cuda"


@cache
def package_problem(package: str) -> Exception | None:
    """Why a package of GPU_PACKAGES cannot render on this machine's GPU, or None where it can.

    The answer is found once a process, by using the package: an empty placeholder of the same name
    or an extension that does not compile are found too. Call it only where torch sees a GPU.
    """
    try:
        PROBES[package]()
    except Exception as problem:  # a failed compilation may raise anything
        return problem
    return None


def _probe_gsplat() -> None:
    """Render one Gaussian, which compiles or loads gsplat's CUDA extension."""
    import gsplat

    row = torch.eye(4, device="cuda")
    gsplat.rasterization(
        means=row[2:3, :3],  # one unit before a camera at the origin
        quats=row[:1],
        scales=torch.full((1, 3), 0.1, device="cuda"),
        opacities=torch.full((1,), 0.5, device="cuda"),
        colors=torch.ones(1, 3, device="cuda"),
        viewmats=row[None],
        Ks=torch.diag(torch.tensor([16.0, 16.0, 1.0])).to("cuda")[None],
        width=16,
        height=16,
    )


def _probe_kaolin() -> None:
    """Import the rasteriser. PyPI's package of this name is an empty placeholder without one."""
    from kaolin.render.mesh import dibr_rasterization  # noqa: F401


PROBES: dict[str, Callable[[], None]] = {"gsplat": _probe_gsplat, "kaolin": _probe_kaolin}
