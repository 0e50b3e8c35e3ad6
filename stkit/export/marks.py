"""Provenance: files of heads say that a computer made them, and `verify` reads what a file says.

PNG and MP4 carry a C2PA manifest inside (Coalition for Content Provenance and Authenticity), by the
library c2pa-python. Every other file gets a signed note beside it, FILE.provenance.json, which
names the file's hash. Neither hinders anybody from removing it: a file without a mark is of unknown
origin, not genuine.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from stkit.errors import MissingFileError
from stkit.export.certificate import Certificate, own_certificate, present_certificate
from stkit.export.statement import LABEL, Statement
from stkit.io.tensors import read_json, replace_file, write_json

INSIDE = {".png": "image/png", ".mp4": "video/mp4"}  # files that carry the manifest themselves
BESIDE = ".provenance.json"
NO_THUMBNAILS = {"builder": {"thumbnail": {"enabled": False}}}
CHUNK = 1 << 20  # bytes read at a time
LARGEST_NOTE = 100_000  # bytes


def mark(path: Path, statement: Statement) -> None:
    """Sign a file: inside PNG and MP4, beside all others. It is replaced whole or not at all."""
    certificate = own_certificate()
    if path.suffix in INSIDE:
        replace_file(path, lambda part: _sign_inside(path, part, statement, certificate))
    else:
        _sign_beside(path, statement, certificate)


def mark_folder(folder: Path, statement: Statement) -> None:
    """Sign the pictures, films and pages of a folder that holds an artifact."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (*INSIDE, ".html", ".ply", ".obj"):
            mark(path, statement)


def _sign_inside(path: Path, target: Path, statement: Statement, certificate: Certificate) -> None:
    settings = c2pa.Settings.from_dict(NO_THUMBNAILS)
    info = c2pa.C2paSignerInfo(b"es256", certificate.chain.encode(), certificate.key.encode(), None)
    manifest = json.dumps(statement.manifest(path.name))
    with (
        c2pa.Context(settings=settings) as context,
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(manifest, context=context) as builder,
        path.open("rb") as source,
        target.open("w+b") as signed,
    ):
        builder.sign(signer, INSIDE[path.suffix], source, signed)


def _sign_beside(path: Path, statement: Statement, certificate: Certificate) -> None:
    claim = {"file": path.name, "sha256": _sha256(path), "statement": statement.plain()}
    signature = certificate.private_key().sign(_bytes(claim), ec.ECDSA(hashes.SHA256()))
    note = {
        "schema": "stkit-provenance",
        "claim": claim,
        "signature": base64.b64encode(signature).decode(),
        "certificate": certificate.chain,
    }
    write_json(beside(path), note)


def beside(path: Path) -> Path:
    """Where the signed note of a file lies."""
    return path.with_name(path.name + BESIDE)


def _bytes(claim: dict) -> bytes:
    return json.dumps(claim, sort_keys=True, separators=(",", ":")).encode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class Verdict:
    """What a file says. known: 'marked', 'changed' (signed, and altered since), or 'unknown'.

    statement: what it states; signer: by whose certificate; ours: whether that is this machine's.
    """

    known: str
    statement: dict = field(default_factory=dict)
    signer: str = ""
    ours: bool = False


def verify(path: Path) -> Verdict:
    """Read a file's mark. Raises MissingFileError where there is no file."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    found = _inside(path) if path.suffix in INSIDE else None
    return found or _note(path) or Verdict("unknown")


def _inside(path: Path) -> Verdict | None:
    try:
        with (
            c2pa.Context(settings=_trust_in_ours()) as context,
            path.open("rb") as file,
            c2pa.Reader(INSIDE[path.suffix], file, context=context) as reader,
        ):
            manifest, state = reader.get_active_manifest(), reader.get_validation_state()
    except (c2pa.C2paError, KeyError):  # no mark, or one that was damaged with its file
        return Verdict("changed") if _holds(path, b"c2pa") else None
    stated = [a["data"] for a in manifest.get("assertions", []) if a.get("label") == LABEL]
    generator = [g.get("name", "") for g in manifest.get("claim_generator_info", [])]
    statement = dict(stated[0]) if stated else {"tool": ", ".join(generator)}
    signature = manifest.get("signature_info") or {}
    return Verdict(
        "marked" if state in ("Valid", "Trusted") else "changed",
        statement,
        f"{signature.get('common_name', '')} ({signature.get('issuer', '')})",
        state == "Trusted",
    )


def _trust_in_ours() -> c2pa.Settings:
    """Settings under which a reader trusts this machine's certificate and no other."""
    present = present_certificate()
    if present is None:
        return c2pa.Settings.from_dict({})
    trust = {"user_anchors": present.root, "allowed_list": present.root}
    return c2pa.Settings.from_dict({"trust": trust, "verify": {"verify_trust": True}})


def _holds(path: Path, word: bytes) -> bool:
    """Whether a file holds a word somewhere."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(word) >= 0


def _note(path: Path) -> Verdict | None:
    note_path = beside(path)
    if not note_path.is_file() or note_path.stat().st_size > LARGEST_NOTE:
        return None
    note = read_json(note_path)
    try:
        claim, chain = dict(note["claim"]), str(note["certificate"])
        leaf = x509.load_pem_x509_certificate(chain.encode())
        signature = base64.b64decode(note["signature"])
        statement = dict(claim["statement"])
        signed = _signed_by(leaf, signature, _bytes(claim))
        intact = signed and claim["sha256"] == _sha256(path)
        signer = leaf.subject.rfc4514_string()
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm):
        return None
    present = present_certificate()
    ours = bool(present and leaf == present.leaf)  # the whole certificate, with its key
    return Verdict("marked" if intact else "changed", statement, signer, ours)


def _signed_by(leaf: x509.Certificate, signature: bytes, content: bytes) -> bool:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
