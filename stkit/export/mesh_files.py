"""A textured mesh with its shapes as OBJ files and as one binary glTF file."""

import io
from pathlib import Path

import numpy as np
import pygltflib as gltf
from PIL import Image
from torch import Tensor

from stkit.export.conventions import METRES
from stkit.export.glb import Binary
from stkit.export.textured_mesh import TexturedMesh
from stkit.io.images import u8
from stkit.io.tensors import replace_file, write_text


def write_obj_folder(mesh: TexturedMesh, folder: Path) -> None:
    """head.obj with its material and texture, and shapes/ACTION.obj with the same vertices in the
    same order, as Blender's and Maya's blend shapes are read; decimetres.
    """
    (folder / "shapes").mkdir(parents=True, exist_ok=True)
    _write_png(mesh.texture, folder / "head.png")
    write_text(folder / "head.mtl", "newmtl head\nKd 1 1 1\nmap_Kd head.png\n")
    corners = ["f {0}/{0} {1}/{1} {2}/{2}".format(*(i + 1 for i in f)) for f in mesh.faces.tolist()]
    flat = ["vt {:.6f} {:.6f}".format(*x) for x in mesh.uv.tolist()]
    tail = ["usemtl head", *corners]
    note = "# stkit: a synthetic head; decimetres, +x subject's left, +y up, +z out of the face"

    def write(path: Path, verts: Tensor, material: str) -> None:
        points = ["v {:.5f} {:.5f} {:.5f}".format(*v) for v in verts.tolist()]
        lines = [note, f"mtllib {material}", *points, *flat, *tail]
        write_text(path, "\n".join(lines) + "\n")

    write(folder / "head.obj", mesh.verts, "head.mtl")
    for name, move in zip(mesh.names, mesh.actions):
        write(folder / "shapes" / f"{name}.obj", mesh.verts + move, "../head.mtl")


def write_mesh_glb(mesh: TexturedMesh, path: Path) -> None:
    """One GLB: the mesh in metres, its texture, and a morph target for each action, by ARKit's
    names.
    """
    out = Binary()
    positions = _float(METRES * mesh.verts)
    uv = _float(mesh.uv)
    uv[:, 1] = 1 - uv[:, 1]  # glTF counts v downwards
    attributes = gltf.Attributes(POSITION=out.array(positions, limits=True))
    attributes.TEXCOORD_0 = out.array(uv)
    indices = out.array(mesh.faces.numpy().astype(np.uint32).ravel(), gltf.ELEMENT_ARRAY_BUFFER)
    targets = [
        gltf.Attributes(POSITION=out.array(_float(METRES * move), limits=True))
        for move in mesh.actions
    ]
    surface = gltf.Primitive(attributes=attributes, indices=indices, material=0, targets=targets)
    picture = io.BytesIO()
    Image.fromarray(u8(mesh.texture)).save(picture, "PNG")
    file = out.file
    file.images = [gltf.Image(bufferView=out.view(picture.getvalue()), mimeType="image/png")]
    file.samplers = [gltf.Sampler()]
    file.textures = [gltf.Texture(source=0, sampler=0)]
    skin = gltf.PbrMetallicRoughness(
        baseColorTexture=gltf.TextureInfo(index=0), metallicFactor=0.0, roughnessFactor=1.0
    )
    file.materials = [gltf.Material(name="head", pbrMetallicRoughness=skin, doubleSided=True)]
    names = {"targetNames": list(mesh.names)}
    weights = [0.0] * len(mesh.names)
    file.meshes = [gltf.Mesh(name="head", primitives=[surface], weights=weights, extras=names)]
    file.nodes = [gltf.Node(name="head", mesh=0)]
    file.scenes = [gltf.Scene(nodes=[0])]
    out.write(path)


def _float(x: Tensor) -> np.ndarray:
    return x.detach().numpy().astype(np.float32).copy()


def _write_png(texture: Tensor, path: Path) -> None:
    replace_file(path, lambda part: Image.fromarray(u8(texture)).save(part, "PNG"))
