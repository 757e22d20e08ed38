"""A part of the composition root: who is let in, by keys, tokens and certificates, as the settings name them."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from serve.access import documents
from serve.access.access import Access
from serve.access.certificates import Certificates
from serve.access.followed import Followed, follow
from serve.access.gate import Gate, Known
from serve.access.keys import Keys
from serve.access.scope import Scope
from serve.settings import AuthSettings, Settings

Work = Callable[[], Coroutine[Any, Any, None]]


def make_access(settings: Settings) -> Access:
    """Who is let in by these settings; `AccessUnreadable` where a file they name is of no use."""
    files, work = list[Followed](), list[Work]()
    keys, tokens, certificates = None, None, None
    if settings.auth.keys is not None:
        keys = Keys()
        files.append(Followed("API keys", [settings.auth.keys], keys.take))
    http = settings.http
    if http.tls_certificate is not None:
        certificates = Certificates(http.tls_certificate, http.tls_key, http.tls_client_ca)
        files.append(Followed("certificates", certificates.paths, certificates.take))
    unreadable: dict[str, Callable[[], bool]] = {one.what: one.is_unreadable for one in files}
    if files:
        work.append(functools.partial(follow, files))
    if settings.auth.issuer is not None and settings.auth.audience is not None:
        tokens, asking, unreadable["issuer"] = _tokens(settings.auth, settings.auth.issuer, settings.auth.audience)
        work.append(asking)
    gate = Gate(keys, tokens) if keys is not None or tokens is not None else None
    return Access(gate, certificates, work, unreadable)


def _tokens(auth: AuthSettings, issuer: str, audience: str) -> tuple[Known, Work, Callable[[], bool]]:
    """Who knows the issuer's tokens, what is done for that while the server runs, and whether it fails."""
    from serve.access.issuer import Issuer  # memory, which most servers never need
    from serve.access.tokens import Rules, Tokens

    documents.require_safe(issuer)
    asked = Issuer(issuer)
    scopes = {word: Scope(scope) for word, scope in auth.scopes.items()}
    return (
        Tokens(asked, Rules(audience, auth.algorithms, auth.scope_claim, scopes)),
        asked.follow,
        lambda: asked.failing,
    )
