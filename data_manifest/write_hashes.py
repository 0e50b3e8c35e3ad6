"""Write packages.lock: requirements.lock with the SHA-256 of every file of each package.

python data_manifest/write_hashes.py

Run it after requirements.lock has changed. pip then refuses a package whose file is another one
than when this was written. Hashes come from PyPI's index; wheels for Python 3.11 and 3.12 and
source archives are kept.
"""

import json
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, HASHED = ROOT / "requirements.lock", ROOT / "data_manifest" / "packages.lock"
INDEX = "https://pypi.org/simple"
KIND = "application/vnd.pypi.simple.v1+json"
WHEEL = re.compile(
    r"[^-]+-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-[^-]+\.whl"
)
PYTHONS = re.compile(r"(^|\.)(py3|py2|cp311|cp312|cp3\d+)($|\.)")
HEAD = "# Made by data_manifest/write_hashes.py out of requirements.lock: pip checks every file.\n"


def fits(filename: str, name: str, version: str) -> bool:
    """Whether a file of a package is of this version, and of a Python that the kit runs on."""
    wheel = WHEEL.fullmatch(filename)
    if not wheel:
        bare = re.sub(r"\.(tar\.gz|tar\.bz2|zip)$", "", filename)
        return bare != filename and bare.endswith(f"-{version}")
    if wheel["version"] != version or not PYTHONS.search(wheel["python"]):
        return False
    if wheel["abi"] == "abi3" or "py" in wheel["python"]:
        return True
    return bool({"cp311", "cp312"} & set(wheel["python"].split(".")))


def hashes_of(pin: str) -> list[str]:
    """The hashes of a pinned package's files."""
    name, version = pin.split("==")
    plain = re.sub(r"[-_.]+", "-", name).lower()
    request = urllib.request.Request(f"{INDEX}/{plain}/", headers={"Accept": KIND})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    found = {f["hashes"]["sha256"] for f in files if fits(f["filename"], name, version)}
    if not found:
        raise SystemExit(f"{pin}: the index has no file of it")
    return sorted(found)


def main() -> None:
    """Write the file."""
    pins = [line for line in LOCK.read_text().splitlines() if re.fullmatch(r"[\w.-]+==\S+", line)]
    with ThreadPoolExecutor(8) as pool:
        every = list(pool.map(hashes_of, pins))
    parts = [
        f"{pin} \\\n" + " \\\n".join(f"    --hash=sha256:{one}" for one in found)
        for pin, found in zip(pins, every)
    ]
    HASHED.write_text(HEAD + "\n".join(parts) + "\n")
    print(f"{HASHED}: {len(pins)} packages, {sum(map(len, every))} files")


if __name__ == "__main__":
    main()
