"""What AWS charges, and what a sign-in, a connection and a sweep cost at that.

US East (N. Virginia), as AWS's pages or stored copies of them had it in November 2026, without free tiers and without
discounts for volume.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scale.looping import Done


@dataclass(frozen=True)
class Price:
    """A price in US dollars.

    Attributes:
        name: what is paid for.
        usd: for one of it.
        per: for how many of it the page names the price.
        source: the page.
    """

    name: str
    usd: float
    per: str
    source: str


REQUEST = Price("Lambda requests", 0.20e-6, "million", "https://aws.amazon.com/lambda/pricing/")
GB_SECOND = Price("Lambda, Arm", 0.0000133334, "GB-second", "https://aws.amazon.com/lambda/pricing/")
MAC = Price("KMS requests", 0.03e-4, "10,000", "https://aws.amazon.com/kms/pricing/")
LOG_BYTE = Price("CloudWatch Logs, collected", 0.50e-9, "GB", "https://aws.amazon.com/cloudwatch/pricing/")
HTTP_API = Price("API Gateway, HTTP API", 1.00e-6, "million", "https://aws.amazon.com/api-gateway/pricing/")
TRANSITION = Price(
    "Step Functions, Standard, state transitions", 0.025e-3, "1,000", "https://aws.amazon.com/step-functions/pricing/"
)
PRICES = (REQUEST, GB_SECOND, MAC, LOG_BYTE, HTTP_API, TRANSITION)
AMOUNT = {"million": 1e6, "GB-second": 1.0, "10,000": 1e4, "GB": 1e9, "1,000": 1e3}

_FULL_VCPU_GB = 1769 / 1024
_SWEEP_GB = 512 / 1024
# A step's Task and Choice.
_TRANSITIONS = 2


@dataclass(frozen=True)
class Invocation:
    """An invocation of a function.

    Attributes:
        function: which, in words.
        gb: its memory.
        seconds: for how long it runs, warm; assumed.
        log_bytes: Lambda's lines and its own; assumed.
    """

    function: str
    gb: float
    seconds: float
    log_bytes: int

    @property
    def usd(self) -> float:
        """What it costs."""
        return REQUEST.usd + self.gb * self.seconds * GB_SECOND.usd + self.log_bytes * LOG_BYTE.usd


REPEAT = (Invocation("trigger, marker current", _FULL_VCPU_GB, 0.003, 1000),)
FIRST = (
    Invocation("trigger, the whole chain", _FULL_VCPU_GB, 0.4, 1000),
    Invocation("trigger, nested", _FULL_VCPU_GB, 0.003, 400),
    Invocation("challenge, define", _FULL_VCPU_GB, 0.003, 400),
    Invocation("challenge, create", _FULL_VCPU_GB, 0.003, 400),
    Invocation("challenge, verify", _FULL_VCPU_GB, 0.03, 400),
    Invocation("challenge, define again", _FULL_VCPU_GB, 0.003, 400),
)
# GenerateMac and VerifyMac.
_MACS = 2
CONNECT = (Invocation("function behind the API", 0.25, 0.1, 600),)

MILLION = 1_000_000


@dataclass(frozen=True)
class Habits:
    """What users do.

    Attributes:
        sign_ins: of a user in 30 days.
        connects: of a user in 30 days; each opening of the app is one at least.
    """

    sign_ins: float = 4
    connects: float = 60

    @property
    def first_share(self) -> float:
        """The share of sign-ins that run the whole chain: markers are good for 30 days."""
        return min(1.0, 1 / self.sign_ins)

    @property
    def connects_per_sign_in(self) -> float:
        """How often a user connects before signing in again."""
        return self.connects / self.sign_ins


def first_usd() -> float:
    """Return what a first sign-in adds to the bill."""
    return sum(each.usd for each in FIRST) + _MACS * MAC.usd


def repeat_usd() -> float:
    """Return what a repeat sign-in adds to the bill."""
    return sum(each.usd for each in REPEAT)


def mixed_usd(habits: Habits) -> float:
    """Return what a sign-in adds to the bill on average."""
    return habits.first_share * first_usd() + (1 - habits.first_share) * repeat_usd()


def connect_usd() -> float:
    """Return what a connection adds to the bill where the front end has the policy attached at each."""
    return HTTP_API.usd + sum(each.usd for each in CONNECT)


def work_usd(done: Done) -> float:
    """Return what a sweep or any other looping work costs: its function runs all the while."""
    steps = done.steps * (_TRANSITIONS * TRANSITION.usd + REQUEST.usd)
    return steps + done.seconds * _SWEEP_GB * GB_SECOND.usd
