"""What a person looks at: 3D viewers and explorers for notebooks, and a page that needs neither kernel nor network."""

from .explorer import explore
from .page import Avatar, save_avatar
from .signals import scrub
from .widgets import Compare, MeshViewer, SplatViewer, mesh_viewer

__all__ = ["Avatar", "Compare", "MeshViewer", "SplatViewer", "explore", "mesh_viewer", "save_avatar", "scrub"]
