"""Which addresses may be opened: https at hosts that are known, plain http on this machine alone."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from atac2rna.sources.faults import SourceError

PORTAL = "https://www.encodeproject.org"

_KNOWN = frozenset({"www.encodeproject.org", "datasetencode.blob.core.windows.net", "ftp.ebi.ac.uk", "ftp.ensembl.org"})
_BUCKETS = ("encode-public", "encode-private", "encode-files")
_S3 = r"s3(?:[.-](?:dualstack\.)?[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com"
_BUCKET_HOST = re.compile(rf"(?:{'|'.join(_BUCKETS)})\.{_S3}")
_S3_HOST = re.compile(_S3)
_BUCKET_PATHS = tuple(f"/{bucket}/" for bucket in _BUCKETS)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ALLOWED = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_DEFAULT_PORT = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Address:
    """An address that may be opened.

    Attributes:
        url: The whole of it.
        origin: Scheme, host and port: what pace and headers go by.
        loopback: Whether it is on this machine.
    """

    url: str
    origin: tuple[str, str, int]
    loopback: bool


class Addresses:
    """The addresses that a connection may open: the portal's, its storage hosts', those of the annotation releases, and mirrors.

    A portal or mirror on this machine may name further ports of this machine; no other may.
    """

    def __init__(self, portal: str = PORTAL, mirrors: tuple[str, ...] = ()) -> None:
        """Take the portal and the mirrors, whose hosts are known from now on.

        Raises:
            SourceError: If one is no https address, or plain http to another machine.
        """
        roots = [_parsed(root) for root in (portal, *mirrors)]
        self.portal = roots[0]
        self._hosts = _KNOWN | {root.origin[1] for root in roots}
        self._origins = {root.origin for root in roots}
        self._loopback = any(root.loopback for root in roots)

    def admit(self, url: str) -> Address:
        """Check an address that the portal, a mirror or a table of files names.

        Raises:
            SourceError: If it may not be opened.
        """
        address = _parsed(url)
        _, host, port = address.origin
        if address.loopback:
            if not self._loopback:
                raise SourceError("leads to this machine itself, which no server elsewhere may ask for", url=url)
        elif address.origin not in self._origins:
            if host not in self._hosts and not _is_storage(url, host):
                raise SourceError(
                    f"is at the unknown host {host!r}; files come from the ENCODE portal, its storage, GENCODE and Ensembl",
                    url=url,
                )
            if port != _DEFAULT_PORT["https"]:
                raise SourceError(f"is https at port {port}, where 443 is expected", url=url)
        return address

    def follow(self, source: Address, location: str) -> Address:
        """Check where `source` redirects to; `location` may be relative.

        Raises:
            SourceError: If it may not be opened.
        """
        try:
            target = self.admit(urljoin(source.url, location))
        except SourceError as fault:
            raise SourceError(f"redirects to {fault.url}, which {fault.reason}: refused", url=source.url) from None
        except ValueError:
            raise SourceError("redirects to something that is no address; refused", url=source.url) from None
        if target.loopback and not source.loopback:
            raise SourceError(f"redirects to this machine itself ({target.url}); refused", url=source.url)
        return target

    def is_portal(self, address: Address) -> bool:
        """Tell whether an address is the portal's own, to which its pace applies."""
        return address.origin == self.portal.origin


def _parsed(url: str) -> Address:
    """Take an address apart, refusing what two programs might read differently."""
    if not _ALLOWED.fullmatch(url) or len(url) > 8192:
        raise SourceError("holds characters that an address has not (or is longer than 8,192)", url=url)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise SourceError("is no address", url=url) from None
    if parts.scheme not in _DEFAULT_PORT or not host:
        raise SourceError("is no https address", url=url, remedy="Write it in full, as https://www.encodeproject.org.")
    if "@" in parts.netloc:
        raise SourceError("carries a user name; released data need none", url=url)
    if any(unquote(step) in (".", "..") for step in parts.path.split("/")):
        raise SourceError("has steps up (..) in its path", url=url)
    loopback = host in _LOOPBACK
    if parts.scheme == "http" and not loopback:
        raise SourceError("is plain http, which anyone on the way can change; https is needed", url=url)
    return Address(url, (parts.scheme, host, port or _DEFAULT_PORT[parts.scheme]), loopback)


def _is_storage(url: str, host: str) -> bool:
    """Tell whether this is one of ENCODE's own buckets; anyone may have others at the same provider."""
    path = urlsplit(url).path
    return bool(_BUCKET_HOST.fullmatch(host) or (_S3_HOST.fullmatch(host) and path.startswith(_BUCKET_PATHS)))
