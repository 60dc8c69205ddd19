"""What the name of an AWS IoT endpoint tells: its kind, its region, and what should not be there.

https://docs.aws.amazon.com/iot/latest/developerguide/iot-connect-devices.html (device data endpoints)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_ADDRESS = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://+)?(?P<bare>[^/?#]*)(?P<path>.*)", re.DOTALL)
_NAME = re.compile(
    r"(?P<prefix>[a-z0-9]+)(?P<ats>-ats)?\.iot\.(?P<region>[a-z]+(?:-[a-z]+)+-[0-9]+)\."
    r"(?:amazonaws\.(?:com(?:\.cn)?|eu)|(?:[a-z0-9-]+\.)*localhost)(?::[0-9]{1,5})?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class EndpointName:
    """An endpoint as somebody wrote it, taken apart.

    Args:
        bare: the host, with the port if one was given.
        scheme: what stood before ``://``; None as it should be.
        path: what stood after the host; empty as it should be.
        prefix: what AWS IoT calls the account; None if the host is not in the form of AWS IoT's own endpoints.
        ats: whether the server's certificate is signed by Amazon Trust Services.
        region: the region; None as for the prefix.
    """

    bare: str
    scheme: str | None = None
    path: str = ""
    prefix: str | None = None
    ats: bool = False
    region: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an endpoint apart, whatever it looks like: nothing is refused."""
        address = _ADDRESS.fullmatch(text.strip())
        if address is None:  # it matches everything
            raise AssertionError(text)
        scheme, bare, path = address.groups()
        name = _NAME.fullmatch(bare)
        if name is None:
            return cls(bare, scheme, path)
        return cls(bare, scheme, path, name["prefix"].lower(), name["ats"] is not None, name["region"].lower())

    @property
    def host(self) -> str:
        """The host without a port, in small letters."""
        return self.bare.partition(":")[0].lower()

    @property
    def is_bare(self) -> bool:
        """Whether it is written as DescribeEndpoint gives it, without scheme and path."""
        return self.scheme is None and not self.path

    @property
    def of_amplify(self) -> str:
        """What Amplify's ``new PubSub({endpoint})`` takes."""
        return f"wss://{self.bare}/mqtt"
