"""The wheel also carries the notebooks and the manifest, which lie beside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHARED = ("notebooks/*.ipynb", "data_manifest/*.yml")


class BuildWithNotebooks(build_py):
    """Copy notebooks and manifest into stkit/_shared of the wheel."""

    def run(self) -> None:
        """Build as usual, then copy."""
        super().run()
        if self.editable_mode:
            return
        for pattern in SHARED:
            for source in ROOT.glob(pattern):
                target = Path(self.build_lib) / "stkit" / "_shared" / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithNotebooks})
