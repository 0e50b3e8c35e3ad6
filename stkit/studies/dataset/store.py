"""The release's lmdb: pictures, landmarks and coefficients of all clips under its own keys.

`length`: how many clips there are; `NAME-length`: how many pictures a clip has; `NAME-0000012`: its
picture 12 as JPEG; `NAME-keypoint`: landmarks (F, 68, 2) and `NAME-coeff_3dmm`: coefficients
(F, 260), both float32 in row order: the 257 and three of the crop.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from stkit.errors import RequestError
from stkit.io.safe_pickle import load_npy
from stkit.io.video import read_video
from stkit.progress import bar

MOST_BYTES = 2**40  # that the map may grow to; on disk it has what is in it
QUALITY = 95
LONGEST = 100_000  # pictures of a clip


def write_store(clips: dict[str, dict[str, Path]], folder: Path) -> None:
    """Write the store of clips: the places of their files by name, see `names.places`. Raises
    RequestError where lmdb is missing.
    """
    lmdb = _lmdb()
    with lmdb.open(str(folder), map_size=MOST_BYTES) as store, store.begin(write=True) as put:
        for name, where in bar(clips.items(), desc="store"):
            frames, _ = read_video(where["video"], LONGEST)
            for k, frame in enumerate(frames):
                put.put(f"{name}-{k:07}".encode(), _jpeg(frame))
            rows = load_npy(where["coefficients"])
            crop = np.asarray(rows["trans_param"])[:, 2:]
            both = np.concatenate([np.asarray(rows["coeff"]), crop], 1).astype(np.float32)
            marks = np.load(where["landmarks"], allow_pickle=False).astype(np.float32)
            put.put(f"{name}-length".encode(), str(len(frames)).encode())
            put.put(f"{name}-coeff_3dmm".encode(), both.tobytes())
            put.put(f"{name}-keypoint".encode(), marks.tobytes())
        put.put(b"length", str(len(clips)).encode())


def _jpeg(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _lmdb():
    try:
        import lmdb
    except ImportError as e:
        raise RequestError("--lmdb needs lmdb: pip install 'stkit[data]'") from e
    return lmdb
