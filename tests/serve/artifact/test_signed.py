"""A-20: the signature on a model. What sigstore's library signs, and what is refused of it, each for its own reason."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promote.sign import Signer, sign
from serve import errors
from serve.artifact import signed, statement
from serve.artifact.trust import Trust
from serve.artifact.verify import manifest
from tests import pem


@dataclass(frozen=True)
class Keys:
    """Ada's key is listed, Eve's is not; `authority` vouches for `certified`, and nobody for `stray`."""

    ada: pem.Key
    eve: pem.Key
    authority: Path
    certified: tuple[pem.Key, Path]
    stray: tuple[pem.Key, Path]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    ada, eve, root, other, one, two = (pem.key(folder, name) for name in ("ada", "eve", "root", "other", "one", "two"))
    certified = one, pem.certificate(one, root)
    stray = two, pem.certificate(two, other)
    return Keys(ada, eve, pem.certificate(root, root, authority=True), certified, stray)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder, with a file that git would not track."""
    place = tmp_path / "digits"
    (place / "model").mkdir(parents=True)
    (place / "model" / "MLmodel").write_text("flavors: {}\n")
    (place / "model" / ".gitignore").write_text("*\n")
    (place / "golden.json").write_text("{}")
    return place


def by(key: pem.Key, certificate: Path | None = None) -> Signer:
    return Signer(key.path, None, certificate, (), "")


def trusting(*keys: pem.Key) -> Trust:
    return Trust(keys=tuple(one.public for one in keys))


async def test_what_a_listed_key_signed_is_taken_and_the_key_is_told(folder: Path, keys: Keys) -> None:
    sign(folder, by(keys.ada))
    found = await signed.require(folder, "digits", trusting(keys.eve, keys.ada))
    assert found == str(keys.ada.public)


async def test_it_may_lie_under_another_name_as_a_snapshot_does(folder: Path, keys: Keys, tmp_path: Path) -> None:
    sign(folder, by(keys.ada))
    moved = Path(shutil.move(folder, tmp_path / ("a" * 64)))
    await signed.require(moved, "digits", trusting(keys.ada))


async def test_what_a_certificate_of_a_listed_authority_signed_is_taken(folder: Path, keys: Keys) -> None:
    sign(folder, by(*keys.certified))
    await signed.require(folder, "digits", Trust(certificates=(keys.authority,)))


async def test_what_a_key_signed_that_is_not_listed_is_refused(folder: Path, keys: Keys) -> None:
    sign(folder, by(keys.eve))
    with pytest.raises(errors.SignerUnknown, match=r"bears the signature of none of trust\.keys"):
        await signed.require(folder, "digits", trusting(keys.ada))


async def test_what_a_certificate_of_another_authority_signed_is_refused(folder: Path, keys: Keys) -> None:
    sign(folder, by(*keys.stray))
    with pytest.raises(errors.SignerUnknown, match=r"bears the signature of none of trust\.certificates"):
        await signed.require(folder, "digits", Trust(certificates=(keys.authority,)))


async def test_a_key_is_no_certificate_and_a_certificate_no_key(folder: Path, keys: Keys) -> None:
    sign(folder, by(keys.ada))
    with pytest.raises(errors.SignerUnknown, match=r"signed with a key, and trust\.keys names none"):
        await signed.require(folder, "digits", Trust(certificates=(keys.authority,)))
    sign(folder, by(*keys.certified))
    with pytest.raises(errors.SignerUnknown, match=r"with a certificate, and trust\.certificates names none"):
        await signed.require(folder, "digits", trusting(keys.ada))


async def test_an_unsigned_model_is_refused(folder: Path, keys: Keys) -> None:
    with pytest.raises(errors.SignatureMissing, match="model 'digits' is not signed"):
        await signed.require(folder, "digits", trusting(keys.ada))


async def test_a_signature_altered_by_a_bit_is_refused(folder: Path, keys: Keys) -> None:
    sign(folder, by(keys.ada))
    _rewrite(folder, lambda bundle, _: _flip(bundle["dsseEnvelope"]["signatures"][0]))
    with pytest.raises(errors.SignerUnknown):
        await signed.require(folder, "digits", trusting(keys.ada))


def _flip(signature: dict[str, str]) -> None:
    raw = bytearray(base64.b64decode(signature["sig"]))
    raw[-1] ^= 1
    signature["sig"] = base64.b64encode(raw).decode()


async def test_a_statement_altered_to_fit_what_was_altered_is_refused(folder: Path, keys: Keys) -> None:
    sign(folder, by(keys.ada))
    (folder / "golden.json").write_text("[]")

    def fit(_: Any, payload: dict[str, Any]) -> None:
        for one in payload["predicate"]["resources"]:
            one["digest"] = manifest(folder)[one["name"]].sha256

    _rewrite(folder, fit)
    with pytest.raises(errors.SignerUnknown):
        await signed.require(folder, "digits", trusting(keys.ada))


async def test_a_key_that_is_none_is_refused(folder: Path, keys: Keys, tmp_path: Path) -> None:
    sign(folder, by(keys.ada))
    for content in ("", "nonsense", None):
        (tmp_path / "bad.pem").unlink(missing_ok=True)
        if content is not None:
            (tmp_path / "bad.pem").write_text(content)
        with pytest.raises(errors.SignerUnknown):
            await signed.require(folder, "digits", Trust(keys=(tmp_path / "bad.pem",)))


def changed(folder: Path) -> None:
    (folder / "model" / "MLmodel").write_text("flavors: {evil: {}}\n")


def extra(folder: Path) -> None:
    (folder / "model" / "evil.pkl").write_text("")


def extra_of_git(folder: Path) -> None:
    (folder / ".gitattributes").write_text("")


def missing(folder: Path) -> None:
    (folder / "golden.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (changed, "model/MLmodel (changed)"),
        (extra, "model/evil.pkl (extra)"),
        (extra_of_git, ".gitattributes (extra)"),
        (missing, "golden.json (missing)"),
    ],
)
async def test_files_other_than_were_signed_are_named(
    folder: Path, keys: Keys, spoil: Callable[[Path], None], told: str
) -> None:
    sign(folder, by(keys.ada))
    spoil(folder)
    with pytest.raises(errors.SignatureMismatch) as caught:
        await signed.require(folder, "digits", trusting(keys.ada))
    assert told in caught.value.message


async def test_the_signature_of_another_model_is_refused(folder: Path, keys: Keys, tmp_path: Path) -> None:
    other = tmp_path / "tumours"
    shutil.copytree(folder, other)
    sign(other, by(keys.ada))
    shutil.copy(other / "model.sig", folder)
    with pytest.raises(errors.SignatureOfAnother, match="bears the signature of another model, 'tumours'"):
        await signed.require(folder, "digits", trusting(keys.ada))


async def test_files_left_out_of_what_is_signed_are_extra(folder: Path, keys: Keys) -> None:
    from model_signing import hashing, signing

    ignoring = hashing.Config().set_ignored_paths(paths=["model.sig", "model/MLmodel"])
    config = signing.Config().use_elliptic_key_signer(private_key=keys.ada.path).set_hashing_config(ignoring)
    config.sign(folder, folder / "model.sig")
    with pytest.raises(errors.SignatureMismatch, match=r"model/MLmodel \(extra\)"):
        await signed.require(folder, "digits", trusting(keys.ada))


async def test_a_signature_that_allows_links_is_refused(folder: Path, keys: Keys) -> None:
    from model_signing import hashing, signing

    lax = hashing.Config().set_ignored_paths(paths=["model.sig"], ignore_git_paths=False).set_allow_symlinks(True)
    config = signing.Config().use_elliptic_key_signer(private_key=keys.ada.path).set_hashing_config(lax)
    config.sign(folder, folder / "model.sig")
    with pytest.raises(errors.SignatureLax, match="signed with allow_symlinks"):
        await signed.require(folder, "digits", trusting(keys.ada))


def _rewrite(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """The signature with its bundle or its statement changed."""
    bundle = json.loads((folder / "model.sig").read_text())
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    change(bundle, payload)
    if "dsseEnvelope" in bundle:
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))


def _set(path: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(bundle: dict[str, Any], payload: dict[str, Any]) -> None:
        place: Any = {"bundle": bundle, "payload": payload}
        *way, last = path.split(".")
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


DRAFT = "https://model_signing/Digests/v0.1"
UNREADABLE, OUTDATED = errors.SignatureUnreadable, errors.SignatureOutdated


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_set("payload.predicateType", DRAFT), OUTDATED),
        (_set("payload.predicateType", "https://slsa.dev/provenance/v1"), OUTDATED),
        (_set("payload.predicateType", None), UNREADABLE),
        (_set("payload._type", "https://in-toto.io/Statement/v0.1"), UNREADABLE),
        (_set("payload.subject", []), UNREADABLE),
        (_set("payload.subject.0.name", 3), UNREADABLE),
        (_set("payload.predicate.serialization.method", "shards"), UNREADABLE),
        (_set("payload.predicate.serialization.hash_type", "blake2b"), UNREADABLE),
        (_set("payload.predicate.serialization.allow_symlinks", "false"), errors.SignatureLax),
        (_set("payload.predicate.serialization", None), UNREADABLE),
        (_set("payload.predicate.resources", 5), UNREADABLE),
        (_set("payload.predicate.resources.0.algorithm", "md5"), UNREADABLE),
        (_set("payload.predicate.resources.0.digest", "00"), UNREADABLE),
        (_set("payload.predicate.resources.1.name", "golden.json"), UNREADABLE),
        (_set("bundle.mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.1"), UNREADABLE),
        (_set("bundle.dsseEnvelope", None), UNREADABLE),
        (_set("bundle.dsseEnvelope.payloadType", "text/plain"), UNREADABLE),
        (_set("bundle.dsseEnvelope.signatures", []), UNREADABLE),
        (_set("bundle.verificationMaterial", {}), UNREADABLE),
        (_set("bundle.verificationMaterial.publicKey.hint", ""), UNREADABLE),
        (_set("bundle.verificationMaterial.x509CertificateChain", {"certificates": []}), UNREADABLE),
    ],
)
def test_a_bundle_that_model_signing_would_not_write_is_refused(
    folder: Path, keys: Keys, change: Callable[[dict[str, Any], dict[str, Any]], None], kind: type[Exception]
) -> None:
    sign(folder, by(keys.ada))
    _rewrite(folder, change)
    with pytest.raises(kind):
        statement.read((folder / "model.sig").read_bytes(), "digits")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b"[" * 10_000, b" " * (2**24 + 1)])
def test_what_is_no_bundle_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(errors.SignatureUnreadable, match=r"has a model\.sig that can't be read"):
        statement.read(data, "digits")


def test_many_differences_are_named_up_to_a_bound() -> None:
    told = errors.SignatureMismatch("digits", [f"f{at} (extra)" for at in range(30)]).message
    assert told.endswith("f19 (extra) and 10 more")
