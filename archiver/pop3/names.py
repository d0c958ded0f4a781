"""Host names in letters of any script, as the network knows them (IDNA 2008, RFC 5891; UTS 46).

The A-label, ``xn--...``, is what is looked up, what SNI says and what a certificate is made out to.
"""

from archiver.errors import UsageError


def ascii_name(host: str) -> str:
    """The host as the network knows it; what is ASCII already stays as it is.

    Raises:
        UsageError: no host can be called so.
    """
    if host.isascii():
        return host
    # Its tables are only for those who need them.
    from idna import IDNAError, encode

    try:
        return encode(host, uts46=True).decode("ascii")
    except IDNAError as error:
        raise UsageError(
            f"{host} cannot be the name of a host: {error}", hint="check its spelling"
        ) from error


def certified_name(host: str) -> str:
    """The host as a certificate names it: without a root's dot or an interface (RFC 6874)."""
    return ascii_name(host).partition("%")[0].removesuffix(".")
