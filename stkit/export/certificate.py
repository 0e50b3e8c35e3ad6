"""The certificate that signs what the kit makes: made on first use, or the user's own.

It says that the same person's copy of the kit signed two files, and that a file is unchanged since.
It does not say who that person is: no authority vouches for it, and readers say "untrusted issuer".
"""

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock
from platformdirs import user_config_path

from stkit.errors import MissingFileError, RequestError
from stkit.io.tensors import replace_file

CHAIN, KEY = "certificate.pem", "key.pem"
YEARS = 10
A_YEAR = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Certificate:
    """chain: PEM of the certificate and those above it; key: PEM of its private key (ECDSA on
    P-256).
    """

    chain: str
    key: str

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that signs files."""
        return x509.load_pem_x509_certificates(self.chain.encode())[0]

    @property
    def root(self) -> str:
        """PEM of the certificate at the end of the chain."""
        last = x509.load_pem_x509_certificates(self.chain.encode())[-1]
        return last.public_bytes(serialization.Encoding.PEM).decode()

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The key, to sign with. Raises ValueError where it is of another kind."""
        key = serialization.load_pem_private_key(self.key.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is none of an elliptic curve")
        return key


def certificate_folder() -> Path:
    """Where the certificate lies: the folder that STKIT_CERTIFICATE names, or the user's settings
    for stkit.
    """
    given = os.environ.get("STKIT_CERTIFICATE")
    return Path(given) if given else user_config_path("stkit")


def own_certificate() -> Certificate:
    """The certificate that is there; the first call makes one. Raises MissingFileError where a
    folder was named that lacks one, and OSError where the user's settings cannot be written.
    """
    folder = certificate_folder()
    chain, key = folder / CHAIN, folder / KEY
    if os.environ.get("STKIT_CERTIFICATE") and not (chain.exists() and key.exists()):
        raise MissingFileError(f"STKIT_CERTIFICATE: {folder} needs {CHAIN} and {KEY}")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not (chain.exists() and key.exists()):
            _write(folder, new_certificate())
        return _read(folder)


def present_certificate() -> Certificate | None:
    """The certificate that is there, or None; nothing is made."""
    folder = certificate_folder()
    return _read(folder) if (folder / CHAIN).exists() and (folder / KEY).exists() else None


def _read(folder: Path) -> Certificate:
    """What a folder holds. Raises RequestError naming it where it is no certificate."""
    try:
        found = Certificate((folder / CHAIN).read_text(), (folder / KEY).read_text())
        found.private_key()
        _ = found.leaf
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise RequestError(
            f"{folder}: {CHAIN} and {KEY} are no certificate that signs ({e}); delete both for a "
            "new one, or see STKIT_CERTIFICATE in docs/guide/exchange.md"
        ) from e
    return found


def _write(folder: Path, made: Certificate) -> None:
    def write_key(part: Path) -> None:
        part.touch(mode=0o600)
        part.write_text(made.key)

    replace_file(folder / KEY, write_key)
    replace_file(folder / CHAIN, lambda part: part.write_text(made.chain))


def new_certificate() -> Certificate:
    """A certificate for signing, and the one above it that signed it; C2PA allows no certificate
    that signs itself.
    """
    above_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    above_name, name = _name("stkit local root"), _name("stkit on this machine")
    above = (
        _begun(above_name, above_name, above_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(above_key, hashes.SHA256())
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(above_key.public_key())
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    own = (
        _begun(name, above_name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(purpose, critical=False)
        .add_extension(issuer, critical=False)
        .sign(above_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain = own.public_bytes(pem) + above.public_bytes(pem)
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificate(chain.decode(), plain.decode())


def _name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "stkit user")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _begun(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + YEARS * A_YEAR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(certificates: bool) -> x509.KeyUsage:
    """For signing certificates, or for signing files."""
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
