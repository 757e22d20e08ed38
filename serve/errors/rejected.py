"""What the caller must change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from serve.errors.root import ServeError


class RequestRejected(ServeError):
    """The caller must change the request."""


class MalformedRequest(RequestRejected):
    """The body is no request of ours at all: not JSON, not an object, no inputs."""

    code = "malformed_request"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with the inputs: where ('inputs[3].mean radius', '' for all of it), and a sentence saying what.

    A place is a path into the body; the sentence names it too, and neither repeats the data.
    """

    place: str
    detail: str


class InvalidInputs(RequestRejected):
    """The body is well formed and does not fit the model's signature; `flaws` says all that is wrong, up to a bound."""

    code = "invalid_inputs"
    MOST_FLAWS: ClassVar[int] = 20

    def __init__(self, detail: str, place: str = "", *, flaws: Sequence[Flaw] = ()) -> None:
        self.flaws = tuple(flaws)[: self.MOST_FLAWS] or (Flaw(place, detail),)
        super().__init__(self.flaws[0].detail)


class ModelNotFound(RequestRejected):
    """No live model has that name."""

    code = "model_not_found"

    def __init__(self, name: str | None, live: tuple[str, ...]) -> None:
        names = ", ".join(live) or "none"
        super().__init__(
            f"no model named '{name}' is live; live models: {names}"
            if name is not None
            else f"several models are live ({names}): name one, as in /models/{live[0]}/predict"
        )


class VersionNotFound(RequestRejected):
    """The live model of that name is of another version."""

    code = "version_not_found"

    def __init__(self, name: str, version: str, versions: tuple[str, ...]) -> None:
        super().__init__(f"model '{name}' is not live in version '{version[:80]}'; its version is {versions[0]}")


class RouteNotFound(RequestRejected):
    """No such path is served."""

    code = "not_found"


class ReleaseNotFound(RequestRejected):
    """No commit that changed models.dvc has this name."""

    code = "release_not_found"

    def __init__(self, revision: str) -> None:
        told = "git knows no release, or several, that begin with"
        super().__init__(f"{told} '{revision[:80]}'; give at least 7 digits of one that /history lists")


class MethodNotAllowed(RequestRejected):
    """The route takes another HTTP method."""

    code = "method_not_allowed"


class PayloadTooLarge(RequestRejected):
    """The body or its rows exceed a limit."""

    code = "payload_too_large"


class UnsupportedContent(RequestRejected):
    """The body is of a content type that is not read here."""

    code = "unsupported_content"


class NotAcceptable(RequestRejected):
    """The caller asks for an answer in a form that can't be given."""

    code = "not_acceptable"


class TooDeep(MalformedRequest):
    """The body's lists and objects are nested deeper than anything here reads."""

    code = "too_deep"

    def __init__(self, most: int) -> None:
        super().__init__(f"the body's lists and objects are nested too deeply: more than {most} in each other")


class TargetTooLong(RequestRejected):
    """The request's target, its path and query, is longer than any of ours."""

    code = "target_too_long"


class HeadersTooLarge(RequestRejected):
    """The request's headers are too many or too long."""

    code = "headers_too_large"


class RequestTooSlow(RequestRejected):
    """The request did not come in time."""

    code = "request_too_slow"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request did not come in time: nothing, or too little, in {seconds:g} seconds")


class Unauthenticated(RequestRejected):
    """The caller shows no key or token, or none that is good here."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__("this needs a key or token that is good here, in one header 'Authorization: Bearer TOKEN'")


class Forbidden(RequestRejected):
    """The caller's key or token does not grant this."""

    code = "forbidden"

    def __init__(self, caller: str, need: str) -> None:
        super().__init__(f"the key or token is good, and does not grant this: it would need the scope '{need}'")
        self.caller = caller
