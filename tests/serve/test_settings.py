"""Settings that can't go together, and values that are none: refused at start, each by its name."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from serve.admission import make_access
from serve.errors import IssuerUnreachable
from serve.settings import AuthSettings, HttpSettings, RecordSettings, Settings, TracesSettings


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tls_key": "key.pem"}, "need a tls_certificate"),
        ({"tls_client_ca": "ca.pem"}, "need a tls_certificate"),
        ({"control_port": 70000}, "control_port"),
    ],
)
def test_tls_needs_a_certificate_and_a_port_is_one(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        HttpSettings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"issuer": "https://issuer.example"}, "issuer and audience need each other"),
        ({"audience": "pinion"}, "issuer and audience need each other"),
        ({"issuer": "issuer.example", "audience": "pinion"}, "issuer"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"scopes": {"Scorer": "everything"}}, "scopes"),
    ],
)
def test_an_issuer_needs_an_audience_and_no_token_shares_its_secret(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AuthSettings.model_validate(values)


@pytest.mark.parametrize(
    ("group", "values", "told"),
    [
        (RecordSettings, {"max_bytes": 100, "file_bytes": 51}, "twice file_bytes"),
        (RecordSettings, {"ratio": 1.1}, "ratio"),
        (TracesSettings, {"ratio": -0.1}, "ratio"),
        (TracesSettings, {"endpoint": "localhost:4318"}, "endpoint"),
        (Settings, {"log_format": "xml"}, "log_format"),
    ],
)
def test_who_watches_has_bounds_that_fit_and_an_address(group: type[BaseModel], values: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        group.model_validate(values)


def test_an_issuer_that_is_not_reached_safely_is_refused_at_start() -> None:
    auth = AuthSettings(issuer="http://issuer.example", audience="pinion")
    with pytest.raises(IssuerUnreachable, match="no https address"):
        make_access(Settings(auth=auth))
