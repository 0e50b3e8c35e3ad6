"""Checkpoints of torch are read as data: exact tensors come back, and no program in a file runs."""

import io
import os
import pickle
import warnings
import zipfile
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mini_models import write_svd_folder

from stkit.cli import main
from stkit.diffusion.convert import PREFIX, unet_weights
from stkit.io.checkpoint import load_checkpoint
from stkit.io.pickled_objects import Inert
from stkit.io.untrusted import UnsafeFileError


class WritesAFile(torch.nn.Module):
    """A TorchScript module that writes a file of its author's choice when it is loaded."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path
        self.content = torch.zeros(1, dtype=torch.uint8)

    def forward(self):
        return self.content

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path = state[0]
        self.content = torch.from_file(state[0], True, 8, dtype=torch.uint8).fill_(65)
        self.training = state[1]


def rewrite(source, target, change, method=zipfile.ZIP_STORED):
    """Copy a checkpoint record by record; `change` maps (name, bytes) to new bytes, or to None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)


@pytest.mark.parametrize("dropped", ["nothing", "constants.pkl"])
def test_a_torchscript_archive_is_refused_and_does_not_run(tmp_path, capsys, dropped):
    marker, path = tmp_path / "ran", tmp_path / "V3D.ckpt"
    module = torch.jit.script(WritesAFile(str(marker)))
    torch.jit.save(module, str(tmp_path / "module.pt"))
    rewrite(tmp_path / "module.pt", path, lambda name, data: None if dropped in name else data)
    svd = write_svd_folder(tmp_path / "svd")
    command = ["assets", "convert-v3d", str(path), "--svd", str(svd)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as on the command line, where a warning stops nothing
        status = main([*command, "--out", str(tmp_path / "v3d")])
    said = capsys.readouterr().err
    assert not marker.exists() and not (tmp_path / "v3d").exists()
    assert status == 2 and "V3D.ckpt" in said and "TorchScript" in said


def test_tensors_come_back_exactly(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    types = (torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint16, torch.complex64)
    saved = {
        "base": base,
        "transposed": base.T,
        "part": base[1:3, ::2],
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "typed": [torch.ones(3, dtype=dtype) for dtype in types],
        "module": torch.nn.Linear(2, 3).state_dict(),
        "size": torch.Size([2, 3]),
        "epoch": 7,
    }
    torch.save(saved, tmp_path / "small.ckpt")
    back = load_checkpoint(tmp_path / "small.ckpt")
    for name in ("base", "transposed", "part", "scalar", "empty", "parameter"):
        assert torch.equal(back[name], saved[name].detach()), name
    for mine, theirs in zip(back["typed"], saved["typed"]):
        assert mine.dtype == theirs.dtype and torch.equal(mine, theirs)
    assert torch.equal(back["module"]["weight"], saved["module"]["weight"])
    assert back["epoch"] == 7 and back["size"] == (2, 3)


def test_other_objects_are_inert(tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    saved = {"state_dict": {PREFIX + "w": torch.ones(2)}, "boom": Evil()}
    torch.save(saved, tmp_path / "evil.ckpt")
    data = load_checkpoint(tmp_path / "evil.ckpt")
    assert data["state_dict"][PREFIX + "w"].tolist() == [1, 1]
    assert isinstance(data["boom"], Inert) and not marker.exists()


def described(tmp_path, description: bytes):
    """A checkpoint of one storage of eight bytes and this description."""
    with zipfile.ZipFile(tmp_path / "bad.ckpt", "w") as archive:
        archive.writestr("bad/data.pkl", description)
        archive.writestr("bad/data/0", bytes(8))
    return tmp_path / "bad.ckpt"


class AsGlobal:
    """Pickles as the global `module name`."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):  # pickle asks only for something callable
        return None


class TensorPickler(pickle._Pickler):
    """Writes `AsGlobal` objects as globals and tuples that start with 'storage' as references."""

    def persistent_id(self, obj):
        if isinstance(obj, list) and obj and obj[0] == "storage":
            return tuple(obj)
        return None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, AsGlobal):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)


def described_tensor(offset, size, stride, key="0", count=2, kind="FloatStorage"):
    """A pickle of one float tensor in the storage `key`."""

    class OneTensor:
        def __reduce__(self):
            storage = ["storage", AsGlobal("torch", kind), key, "cpu", count]
            builder = AsGlobal("torch._utils", "_rebuild_tensor_v2")
            return builder, (storage, offset, size, stride, False, None)

    buffer = io.BytesIO()
    TensorPickler(buffer, 2).dump(OneTensor())
    return buffer.getvalue()


def test_a_tensor_described_by_hand_is_read(tmp_path):
    path = described(tmp_path, described_tensor(0, (2,), (1,)))
    assert load_checkpoint(path).tolist() == [0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": 2},
        {"offset": -1},
        {"size": (3,)},
        {"size": (-2,)},
        {"size": (2, 2)},
        {"size": (10**12,), "stride": (0,)},
        {"stride": (2,)},
        {"stride": (-1,)},
        {"size": ("a",)},
        {"key": "1"},
        {"key": "../0"},
        {"count": 3},
        {"count": 10**18},
        {"kind": "QInt8Storage"},
    ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path, wrong):
    whole = {"offset": 0, "size": (2,), "stride": (1,)}
    path = described(tmp_path, described_tensor(**{**whole, **wrong}))
    with pytest.raises(UnsafeFileError, match=r"bad\.ckpt"):
        load_checkpoint(path)


def with_order(order, name, data):
    return order if name.endswith("byteorder") else data


@pytest.mark.parametrize("kind", ["old", "pickle", "compressed", "plain zip", "big-endian"])
def test_other_kinds_of_files_are_refused_by_name(tmp_path, kind):
    path = tmp_path / "odd.ckpt"
    state = {"w": torch.ones(2)}
    if kind == "old":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"w": 1}))
    elif kind == "plain zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing")
    else:
        torch.save(state, tmp_path / "good.ckpt")
        method = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
        order = b"big" if kind == "big-endian" else b"little"
        rewrite(tmp_path / "good.ckpt", path, partial(with_order, order), method)
    with pytest.raises(UnsafeFileError, match=r"odd\.ckpt"):
        load_checkpoint(path)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cut=st.integers(0, 100),
    flip=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=6),
)
def test_damaged_checkpoints_never_escape_as_other_errors(tmp_path, cut, flip):
    path = tmp_path / "small.ckpt"
    state = {PREFIX + "a": torch.arange(6.0), PREFIX + "b": torch.ones(3, 2)}
    torch.save({"state_dict": state}, path)
    data = bytearray(path.read_bytes())
    for where, value in flip:
        data[int(where * len(data))] = value
    path.write_bytes(data[: len(data) - cut * len(data) // 120])
    try:
        unet_weights(path)
    except UnsafeFileError as e:
        assert "small.ckpt" in str(e)  # noqa: PT017  (many files load in spite of the damage)
