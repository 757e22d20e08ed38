"""What the operator must look at before more are let in; who was let in before still is."""

from serve.errors.root import ServeError


class AccessUnreadable(ServeError):
    """What says who is let in can't be used."""

    code = "access_unreadable"


class KeysUnreadable(AccessUnreadable):
    """The file of API keys is broken."""

    code = "keys_unreadable"


class CertificateUnreadable(AccessUnreadable):
    """The certificate, its key or the authority of callers' certificates is of no use."""

    code = "certificate_unreadable"


class IssuerUnreachable(AccessUnreadable):
    """The issuer's keys can't be had."""

    code = "issuer_unreachable"
