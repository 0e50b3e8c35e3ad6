"""What a person looks at: 3D viewers and explorers for notebooks, and a page that needs neither kernel nor network."""

from .charts import camera_chart, strength_chart, weight_chart
from .explorer import explore
from .live import live_bar
from .page import Avatar, save_avatar
from .signals import scrub
from .widgets import Compare, MeshViewer, SplatViewer, mesh_viewer

__all__ = [
    "Avatar", "Compare", "MeshViewer", "SplatViewer", "camera_chart", "explore", "live_bar", "mesh_viewer", "save_avatar", "scrub",
    "strength_chart", "weight_chart",
]  # fmt: skip
