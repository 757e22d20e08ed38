"""Keys and certificates for tests, as PEM files."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

_BEGINS = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_ENDS = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Key:
    """A private key in `path`, its public half in `public`."""

    path: Path
    public: Path
    private: ec.EllipticCurvePrivateKey


def key(folder: Path, name: str, password: str = "") -> Key:
    private = ec.generate_private_key(ec.SECP256R1())
    kept = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    one = Key(folder / f"{name}.key", folder / f"{name}.pem", private)
    one.path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept))
    one.public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return one


def rsa_key(folder: Path) -> Path:
    private = rsa.generate_private_key(65537, 2048)
    path = folder / "rsa.key"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def certificate(of: Key, by: Key, authority: bool = False) -> Path:
    """That of one key by another, or by itself; for signing, or for an authority."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one.path.stem)]) for one in (of, by)]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(of.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGINS)
        .not_valid_after(_ENDS)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **usage), critical=True)
        .sign(by.private, hashes.SHA256())
    )
    path = of.path.with_suffix(".crt")
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path
