"""The folder for static hosts: an index, pages that need no server, and their marks."""

from pathlib import Path

import numpy as np
from PIL import Image

from stkit.export.marks import beside, mark, verify
from stkit.export.statement import Statement
from stkit.runs import showcase
from stkit.runs.showcase import Show, write_showcase


class Made:
    """A run that is there already: its page and its picture."""

    def __init__(self, run: str, source: str, profile: str):
        self.folder, self.source = Path(run).absolute(), source

    def everything(self, prompt: str) -> None:
        (self.folder / "animate").mkdir(parents=True)
        (self.folder / "pictures" / "edit").mkdir(parents=True)
        page = self.folder / "animate" / "avatar.html"
        page.write_text(f"<p>{self.source}: {prompt}")
        mark(page, Statement(edit=prompt))
        picture = self.folder / "pictures" / "edit" / "edited_orbit.png"
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)


def test_the_folder_has_all_that_a_host_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(showcase, "Road", Made)
    cast = (Show("mara", "turn her into a <b>clown</b>"), Show("sami", "give him red hair"))
    index = write_showcase(tmp_path / "space", cast=cast)
    text = index.read_text()
    assert "&lt;b&gt;clown" in text and "Content-Security-Policy" in text and "Synthetic" in text
    for show in cast:
        assert f'href="{show.name}.html"' in text and f'src="{show.name}.png"' in text
        assert (tmp_path / "space" / f"{show.name}.png").exists()
        page = tmp_path / "space" / f"{show.name}.html"
        assert verify(page).known == "marked" and beside(page).exists()
    assert (tmp_path / "space" / "README.md").read_text().startswith("---\ntitle:")
