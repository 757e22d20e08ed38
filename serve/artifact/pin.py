"""`models.dvc` ⇄ `Pin`: what a promotion writes, read strictly, so that a checkout is a release.

The file is DVC's own, with one `outs` entry for the folder `models/`; DVC keeps `meta:` as it is, and there
Pinion records each model's SHA-256 tree digest (MD5, DVC's, is no proof against tampering), run and metrics.
Anything a promotion would not write is refused in a sentence: no tags, anchors or depths of YAML are followed.
Pure: bytes in, data out, and back.
"""

import io
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, DocumentStartEvent, NodeEvent

from serve.errors import PinUnreadable

FILENAME = "models.dvc"
FOLDER = "models"
FORMAT = 1
MAX_BYTES = 64 * 1024
_DEPTH = 8  # of mappings and lists in each other; a promotion writes 6
_LONGEST_METRIC = 250  # characters, MLflow's own bound (mlflow/utils/validation.py)
LONGEST_NAME = 64  # characters of a model's name
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")
_OID = re.compile(r"[0-9a-f]{32}\.dir")
_CONFLICT = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """One model of a pin; `digest` is 'sha256:' and the tree digest of `models/<name>`."""

    name: str
    digest: str
    run: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pin:
    """What models.dvc says: the folder's DVC object (`oid`, bytes, files) and the models in it, by name."""

    oid: str
    size: int
    files: int
    models: tuple[PinnedModel, ...]


def is_name(name: str) -> bool:
    """Whether `name` may be a model's: a folder, a URL segment and a label in one."""
    return _NAME.fullmatch(name) is not None


def write(pin: Pin) -> bytes:
    """The pin as the bytes of models.dvc."""
    models = {
        model.name: {"digest": model.digest, "run": model.run, "metrics": dict(model.metrics)}
        for model in sorted(pin.models, key=lambda model: model.name)
    }
    out = {"md5": pin.oid, "size": pin.size, "nfiles": pin.files, "hash": "md5", "path": FOLDER}
    stream = io.BytesIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = False  # escaped, because some of its line ends would come back as others
    yaml.width = MAX_BYTES  # one line a value, and a name in it comes back as it was
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # keep the order above
    yaml.dump({"outs": [out], "meta": {"pinion": {"format": FORMAT, "models": models}}}, stream)
    return stream.getvalue()


def read(data: bytes) -> Pin:
    """The pin in the bytes of models.dvc, or `PinUnreadable`."""
    if len(data) > MAX_BYTES:
        raise PinUnreadable(f"{FILENAME} has over {MAX_BYTES} bytes, which is the most that a promotion writes")
    if not data.strip():
        raise PinUnreadable(f"{FILENAME} is empty")
    if _CONFLICT.search(data):
        raise PinUnreadable(f"{FILENAME} has conflict marks: a merge in git is not finished")
    try:
        document = _document(data.decode("utf-8"))
    except (YAMLError, ValueError, TypeError, AssertionError) as error:  # the last of ruamel's, for an odd %YAML
        raise PinUnreadable(f"{FILENAME} is not YAML: {_first_line(error)}") from error
    top = _mapping(document, "", {"outs", "meta"})
    outs = top["outs"]
    if not isinstance(outs, list) or len(outs) != 1:
        raise PinUnreadable(f"{FILENAME}: outs must hold one entry, the folder {FOLDER}")
    return _pin(_mapping(outs[0], "outs[0]", {"md5", "size", "nfiles", "hash", "path"}), top["meta"])


def read_out(data: bytes) -> Pin:
    """What `dvc add` wrote of the folder, as a pin that names no models yet."""
    return _out(YAML(typ="safe", pure=True).load(data.decode("utf-8"))["outs"][0])


def _out(out: Mapping[str, Any]) -> Pin:
    _expect(out["path"] == FOLDER, "outs[0].path", f"must be {FOLDER}")
    _expect(out["hash"] == "md5", "outs[0].hash", "must be md5")
    _expect(_matches(_OID, out["md5"]), "outs[0].md5", "must be 32 hex digits and .dir")
    _expect(_count(out["size"]) and _count(out["nfiles"]), "outs[0]", "size and nfiles must be counts")
    return Pin(out["md5"], out["size"], out["nfiles"], ())


def _document(text: str) -> Any:
    """What the YAML says, read only once it is seen to be plain: aliases can grow without bound."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        anchored = isinstance(event, NodeEvent) and event.anchor is not None
        directed = isinstance(event, DocumentStartEvent) and (event.version or event.tags)
        if anchored or directed or getattr(event, "tag", None) is not None or depth > _DEPTH:
            line = event.start_mark.line + 1
            raise PinUnreadable(f"{FILENAME}: line {line} has a tag, an anchor, a directive or too deep a nesting")
    return YAML(typ="safe", pure=True).load(text)


def _pin(out: Mapping[str, Any], meta: Any) -> Pin:
    pinion = _mapping(_mapping(meta, "meta", {"pinion"})["pinion"], "meta.pinion", {"format", "models"})
    known = _count(pinion["format"]) and pinion["format"] == FORMAT
    _expect(known, "meta.pinion.format", f"must be {FORMAT}: this server reads no other")
    models = _mapping(pinion["models"], "meta.pinion.models", None)
    _expect(len(models) > 0, "meta.pinion.models", "must name at least one model")
    return replace(_out(out), models=tuple(_model(*item) for item in models.items()))


def _model(name: Any, entry: Any) -> PinnedModel:
    where = f"meta.pinion.models.{_shown(name)}"
    _expect(_matches(_NAME, name), where, "must be named with letters, digits, '.', '_' and '-'")
    fields = _mapping(entry, where, {"digest", "run", "metrics"})
    _expect(_matches(_DIGEST, fields["digest"]), f"{where}.digest", "must be sha256: and 64 hex digits")
    _expect(isinstance(fields["run"], str), f"{where}.run", "must be a string")
    metrics = _mapping(fields["metrics"], f"{where}.metrics", None)
    _expect(
        all(_metric(*item) for item in metrics.items()),
        f"{where}.metrics",
        "must be finite numbers by names of at most 250 characters",
    )
    return PinnedModel(name, fields["digest"], fields["run"], {key: float(value) for key, value in metrics.items()})


def _metric(name: Any, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    named = isinstance(name, str) and len(name) <= _LONGEST_METRIC
    return named and number and abs(value) <= sys.float_info.max  # so neither NaN nor infinite


def _mapping(value: Any, where: str, keys: set[str] | None) -> Mapping[str, Any]:
    place = where or "the top level"
    _expect(isinstance(value, dict), place, "must be a mapping")
    if keys is not None and set(value) != keys:
        told = [f"lacks '{key}'" for key in sorted(keys - set(value))]
        told += [f"has '{_shown(key)}', which no promotion writes" for key in sorted(set(value) - keys, key=str)[:3]]
        raise PinUnreadable(f"{FILENAME}: {place} {' and '.join(told)}")
    mapping: Mapping[str, Any] = value
    return mapping


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _expect(holds: bool, where: str, wanted: str) -> None:
    if not holds:
        raise PinUnreadable(f"{FILENAME}: {where} {wanted}")


def _shown(key: Any) -> str:
    """A key of the file in a message: short, and in printable characters."""
    return str(key).encode("unicode_escape").decode()[:60]


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}" if mark is not None else ""
    told = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{told}{where}"
