"""Which server is meant: the one that is named, else the one that these settings describe."""

from pathlib import Path

from serve.commands.server import Target
from serve.settings import Settings


def of(settings: Settings, url: str | None, api_key: str | None, ca: Path | None) -> Target:
    """The server at `url`, else on the port of `settings` that tells most, on this machine."""
    if url is not None:
        return Target(url.rstrip("/"), api_key, ca)
    http = settings.http
    host, port = (http.host, http.port) if http.control_port is None else (http.control_host, http.control_port)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # whoever listens everywhere does here
    scheme = "http" if http.tls_certificate is None else "https"
    shown = f"[{host}]" if ":" in host else host
    return Target(f"{scheme}://{shown}:{port}", api_key, ca, http.tls_certificate)
