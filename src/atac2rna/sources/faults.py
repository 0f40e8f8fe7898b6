"""What can go wrong between this machine and another one."""

import re

from atac2rna.errors import InputError

_LONG = 160
_LOGIN = re.compile(r"//[^/?#]*@")


class SourceError(InputError):
    """What another machine did not give, told in one sentence.

    Attributes:
        url: The address, without the signature that a storage address may carry.
        reason: What happened, without the address, to be told after it.
    """

    def __init__(self, reason: str, *, url: str, remedy: str = "") -> None:
        """Take what happened, where, and what to do (a whole sentence)."""
        self.url = _LOGIN.sub("//", url.partition("?")[0] if "Signature" in url or "sig=" in url else url)
        self.reason = reason
        self.remedy = remedy
        shown = self.url if len(self.url) <= _LONG else f"{self.url[:_LONG]}..."
        super().__init__(f"{shown}: {reason}. {remedy}".rstrip())


class NotFoundError(SourceError):
    """There is nothing at the address (404, 410)."""


class ForbiddenError(SourceError):
    """What is at the address is not for everyone, or no longer (401, 403).

    Attributes:
        redirected: Whether another address had sent us there, whose signature may have expired.
    """

    def __init__(self, reason: str, *, url: str, remedy: str = "", redirected: bool = False) -> None:
        """Take what happened, where, what to do, and whether it was the end of a redirect."""
        super().__init__(reason, url=url, remedy=remedy)
        self.redirected = redirected


class PassingError(SourceError):
    """A fault that may be gone the next time: a busy server, a connection that broke, a damaged answer.

    Attributes:
        wait: Seconds after which the server asked to be asked again; None if it did not say.
    """

    def __init__(self, reason: str, *, url: str, remedy: str = "", wait: float | None = None) -> None:
        """Take what happened, where, and when to come back."""
        super().__init__(reason, url=url, remedy=remedy)
        self.wait = wait


class DiskFullError(InputError):
    """There is no room for what is being fetched."""


class StoppedError(Exception):
    """The work was told to stop; what has come stays and is continued the next time."""
