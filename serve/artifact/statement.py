"""What a model's signature says: a sigstore bundle with one in-toto statement, read strictly. Pure.

The format is that of sigstore's model-signing (predicate https://model_signing/signature/v1.0). Its library reads more
than is taken here: drafts of the format, links, ignored paths, the name of another model. Whether the signature holds
is not asked here but in `signed`.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from serve.artifact.verify import Manifest
from serve.errors import (
    SignatureLax,
    SignatureMismatch,
    SignatureOfAnother,
    SignatureOutdated,
    SignatureUnreadable,
)

FILENAME = "model.sig"
MAX_BYTES = 16 * 2**20
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """The model's name, the SHA-256 in hex of each file by path, and how it was signed: with a key or a certificate."""

    model: str
    files: Mapping[str, str]
    by_certificate: bool


def read(data: bytes, model: str) -> Statement:
    """The statement in the bytes of a model.sig; `SignatureRefused` where it is none to rely on."""
    try:
        return _read(data, model)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error) as error:
        told = f"{type(error).__name__}: {str(error)[:100]}"
        raise SignatureUnreadable(model, f"has a {FILENAME} that can't be read ({told})") from error


def require(statement: Statement, model: str, found: Manifest) -> None:
    """The statement must be of this model, and of exactly these files, but for its own."""
    if statement.model != model:
        raise SignatureOfAnother(model, statement.model[:80])
    files = {path: one.sha256 for path, one in found.items() if path != FILENAME}
    signed = statement.files
    differences = [f"{path} (missing)" for path in sorted(signed.keys() - files.keys())]
    differences += [f"{path} (extra)" for path in sorted(files.keys() - signed.keys())]
    both = sorted(files.keys() & signed.keys())
    differences += [f"{path} (changed)" for path in both if files[path] != signed[path]]
    if differences:
        raise SignatureMismatch(model, differences)


def _read(data: bytes, model: str) -> Statement:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has {len(data)} bytes")
    bundle = orjson.loads(data)
    _expect(bundle["mediaType"] == _MEDIA_TYPE, "its media type")
    envelope, material = bundle["dsseEnvelope"], bundle["verificationMaterial"]
    _expect(envelope["payloadType"] == _PAYLOAD_TYPE, "its payload type")
    _expect(len(envelope["signatures"]) == 1, "its number of signatures")
    by_certificate = "x509CertificateChain" in material
    _expect(by_certificate or bool(material["publicKey"]["hint"]), "its verification material")
    _expect(not (by_certificate and "publicKey" in material), "its verification material")
    payload = orjson.loads(base64.b64decode(envelope["payload"], validate=True))
    _expect(payload["_type"] == _STATEMENT, "its statement's type")
    if payload["predicateType"] != PREDICATE:
        told = str(payload["predicateType"])[:80]
        raise SignatureOutdated(model, f"bears a statement of another kind, '{told}'; only '{PREDICATE}' is read")
    (subject,) = payload["subject"]
    _expect(isinstance(subject["name"], str), "its subject's name")
    return Statement(subject["name"], _files(payload["predicate"], model), by_certificate)


def _files(predicate: Mapping[str, Any], model: str) -> dict[str, str]:
    how = predicate["serialization"]
    if how["allow_symlinks"] is not False:
        raise SignatureLax(model, "was signed with allow_symlinks, so its signature need not be of its own files")
    _expect((how["method"], how["hash_type"]) == ("files", "sha256"), "its method of hashing")
    files = {}
    for one in predicate["resources"]:
        name, digest = one["name"], one["digest"]
        _expect(one["algorithm"] == "sha256" and _SHA256.fullmatch(digest) is not None, "a file's digest")
        _expect(isinstance(name, str) and name not in files, "a file's name")
        files[name] = digest
    return files


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} is not as model-signing writes it")
