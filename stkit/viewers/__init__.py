"""What a person looks at: 3D viewers and explorers for notebooks, and a page that needs neither
kernel nor network.
"""

from stkit.viewers.camera_pyramids import camera_chart
from stkit.viewers.charts import strength_chart, weight_chart
from stkit.viewers.compare import Compare
from stkit.viewers.explorer import explore
from stkit.viewers.live import live_bar
from stkit.viewers.meshes import MeshViewer, mesh_viewer
from stkit.viewers.page import Avatar, save_avatar
from stkit.viewers.signals import scrub
from stkit.viewers.splats import SplatViewer

__all__ = [
    "Avatar",
    "Compare",
    "MeshViewer",
    "SplatViewer",
    "camera_chart",
    "explore",
    "live_bar",
    "mesh_viewer",
    "save_avatar",
    "scrub",
    "strength_chart",
    "weight_chart",
]
