"""DVC's configuration files as data: read as DVC reads them, merged as DVC merges them, written for a scratch checkout.

A configuration is sections by name, and values by key, all names in lower case; the section of a remote is named
`remote "<name>"`. Paths come out absolute, because DVC reads them relative to the file they stand in. Nothing is
decided here.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from configobj import ConfigObj, ConfigObjError

from serve import files
from serve.errors import PullFailed

Configuration = Mapping[str, Mapping[str, Any]]

_MOST_BYTES = 1 << 20
_NAMED = re.compile(r"\s*(remote|machine|db)\s*\"(.*)\"\s*")
_GDRIVE = ("gdrive_user_credentials_file", "gdrive_service_account_json_file_path")
_PATHS = frozenset(("url", "dir", "credentialpath", "configpath", "keyfile", "cert_path", "key_path", *_GDRIVE))


def remote(name: str) -> str:
    """The section of the remote `name`."""
    return f'remote "{name}"'


def read(path: Path) -> Configuration:
    """What the file says; nothing where there is none. `PullFailed` where it can't be read."""
    name = f".dvc/{path.name}" if path.parent.name == ".dvc" else "DVC's configuration of this machine"
    try:
        data = files.head(path, _MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise PullFailed(f"{name} has over {_MOST_BYTES} bytes")
        parsed = ConfigObj(data.decode("utf-8").splitlines(), interpolation=False, raise_errors=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise PullFailed(f"{name} can't be read: {error.strerror}") from error
    except (ConfigObjError, UnicodeDecodeError, RecursionError) as error:
        # Not what stands there: that may be a password, or a line of whatever file a link leads to.
        told = f"line {error.line_number} is none of DVC's" if isinstance(error, ConfigObjError) else "it is no text"
        raise PullFailed(f"{name} can't be read: {told}") from error
    sections = {name: value for name, value in parsed.dict().items() if isinstance(value, dict)}
    return {_section(name): _values(value, path.parent) for name, value in sections.items()}


def of_machine() -> Configuration:
    """What the system's and the user's own configuration say, which DVC reads by itself wherever it runs."""
    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")
    return merged(read(Path(system) / "config"), read(Path(user) / "config"))


def merged(*configurations: Configuration) -> dict[str, dict[str, Any]]:
    """All of them as one; the later win."""
    result: dict[str, dict[str, Any]] = {}
    for one in configurations:
        for name, values in one.items():
            result.setdefault(name, {}).update(values)
    return result


def write(configuration: Configuration, path: Path) -> None:
    """The configuration as a file that DVC reads as the same."""
    file = ConfigObj({name: dict(values) for name, values in configuration.items()}, interpolation=False)
    lines = file.write()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_url(value: str) -> bool:
    """Whether DVC takes `value` for a URL and not for a path."""
    return re.match(r"\w+://", value) is not None


def _section(name: str) -> str:
    named = _NAMED.fullmatch(name.lower())
    return f'{named[1]} "{named[2]}"' if named else name.lower()


def _values(section: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {key.lower(): _absolute(key.lower(), value, folder) for key, value in section.items()}


def _absolute(key: str, value: Any, folder: Path) -> Any:
    if key not in _PATHS or not isinstance(value, str) or is_url(value):
        return value
    return os.path.normpath(folder.resolve() / os.path.expanduser(value))
