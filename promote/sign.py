"""Who promotes signs: each promoted folder gets a sigstore bundle that covers all its other files.

By an elliptic curve's private key, or by one with a certificate, through sigstore's model-signing. Whoever has the
public key, or the authority's certificate, can verify with that library's own command too: the format is its own.
"""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from promote.errors import PromotionRefused, plain
from serve.artifact.statement import FILENAME

PASSWORD = "PROMOTE_KEY_PASSWORD"  # noqa: S105  # the name of the variable
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that was read once, to see that it can be, with its password; its certificate and what issued it.

    `mark` is what a signature of it carries: the fingerprint of the key, or the certificate in base64.
    """

    key: Path
    password: bytes | None
    certificate: Path | None
    chain: tuple[Path, ...]
    mark: str


def signer(key: Path, certificate: Path | None, chain: Sequence[Path], ask: Callable[[], str | None]) -> Signer:
    """The signer with this key; `ask` gives the password of an encrypted one. `PromotionRefused` where it is of no use.

    Without its certificate a chain says nothing.
    """
    if chain and certificate is None:
        raise PromotionRefused("--chain needs --certificate: it is what issued that")
    data = _read(key)
    password = _password(key, data, ask)
    try:
        private = load_pem_private_key(data, password)
    except (ValueError, TypeError) as error:
        raise PromotionRefused(f"the key {key} can't be read: wrong password, or no private key in PEM") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, _CURVES):
        raise PromotionRefused(f"the key {key} is not of the curve P-256, P-384 or P-521")
    public = private.public_key()
    if certificate is None:
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Signer(key, password, None, (), hashlib.sha256(pem).hexdigest())
    if password is not None:
        raise PromotionRefused(
            "with --certificate the key must not be encrypted: model-signing takes no password there"
        )
    return Signer(key, None, certificate, tuple(chain), _certified(certificate, chain, public))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PromotionRefused(f"{path} can't be read: {error.strerror}") from error


def _password(key: Path, data: bytes, ask: Callable[[], str | None]) -> bytes | None:
    if b"ENCRYPTED" not in data:
        return None
    given = os.environ.get(PASSWORD) or ask()
    if not given:
        raise PromotionRefused(f"the key {key} is encrypted: set {PASSWORD}, or run promote on a terminal")
    return given.encode()


def _certified(certificate: Path, chain: Sequence[Path], public: ec.EllipticCurvePublicKey) -> str:
    try:
        found = x509.load_pem_x509_certificate(_read(certificate))
        for one in chain:
            x509.load_pem_x509_certificates(_read(one))
    except ValueError as error:
        raise PromotionRefused(f"a certificate is not in PEM: {plain(str(error))}") from error
    if found.public_key() != public:
        raise PromotionRefused(f"{certificate} is the certificate of another key")
    return base64.b64encode(found.public_bytes(Encoding.DER)).decode()


def sign(folder: Path, by: Signer) -> None:
    """Put the signature into `folder`, whose name is the model's."""
    try:
        # An extra that most promotions never need, and half a second to import.
        from model_signing import hashing, signing
    except ImportError as error:
        raise PromotionRefused("signing needs model-signing: pip install 'pinion-serve[promote,signing]'") from error
    config, every_file = signing.Config(), hashing.Config()  # type: ignore[no-untyped-call]  # they have no annotations
    every_file.use_file_serialization(hashing_algorithm="sha256", allow_symlinks=False)
    every_file.set_ignored_paths(paths=[FILENAME], ignore_git_paths=False)
    config.set_hashing_config(every_file)
    try:
        _use(config, by)
        config.sign(folder, folder / FILENAME)
    except Exception as error:  # the library lets through what cryptography raises
        raise PromotionRefused(f"signing failed: {plain(str(error) or type(error).__name__)}") from error


def _use(config: Any, by: Signer) -> None:
    if by.certificate is None:
        config.use_elliptic_key_signer(private_key=by.key, password=by.password)
        return
    chain = by.chain or (by.certificate,)  # the library reads none where there is no certificate in it
    config.use_certificate_signer(private_key=by.key, signing_certificate=by.certificate, certificate_chain=chain)


def bears(folder: Path, by: Signer) -> bool:
    """Whether the folder has a signature that says it is by this signer."""
    try:
        material = json.loads((folder / FILENAME).read_bytes())["verificationMaterial"]
        if by.certificate is None:
            return bool(material["publicKey"]["hint"] == by.mark)
        return bool(material["x509CertificateChain"]["certificates"][0]["rawBytes"] == by.mark)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False
