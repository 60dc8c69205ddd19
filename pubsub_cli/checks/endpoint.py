"""Is the endpoint the one that clients must use, can it be reached, and does its clock agree with this machine's?"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from pubsub_cli.checks.blocked import BlockedError
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.way import find_way
from pubsub_cli.clock import SUSPICIOUS, TOLERATED, offset_of, set_clock_command
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, not_applicable, passed, warning
from pubsub_client._endpoint import Endpoint
from pubsub_client._endpoint_name import EndpointName
from pubsub_client.outputs import Output

_ATS = "iot:Data-ATS"
_DESCRIBE = AwsCommand("iot", "DescribeEndpoint", {"endpointType": _ATS})


class EndpointIsRight(Check):
    """The endpoint is the bare host of type `iot:Data-ATS`, of this account and region.

    Amplify's PubSub takes it as `wss://HOST/mqtt`; everything else, this client too, takes the host alone. The endpoint
    of type `iot:Data` shows a certificate that browsers do not trust
    ([AWS](https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html)), one of another account
    does not know the identity, and one of another region refuses the signature. Without an operator's AWS credentials
    the account cannot be told, nor whether another name is a custom domain of the account. Whether a port leads
    anywhere is another check's question.
    """

    id = "PS102"
    group = Group.CONFIGURATION
    title = "the endpoint is the ATS one of this account and region"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        """Take its name apart, and compare it with what AWS IoT describes."""
        given, region = context.output(Output.PUBSUB_ENDPOINT), context.output(Output.REGION)
        name = EndpointName.parse(given)
        if not name.is_bare:
            return failed(_why_not_bare(given, name), resource=given, fix=_use(name.bare))
        described = await asyncio.to_thread(_described, context) if context.as_operator else None
        if described and EndpointName.parse(described).host == name.host:
            return passed(name.bare)
        fix: Fix = _use(described) if described else (_DESCRIBE, _use("HOST"))
        if name.prefix is None and "amazonaws" not in name.host:
            if context.as_operator and await asyncio.to_thread(_is_custom_domain, context, name.host):
                return passed(f"{name.bare}, a custom domain of this account")
            return warning(
                f"{name.bare} is not in the form of AWS IoT's endpoints, PREFIX-ats.iot.REGION.amazonaws.com: clients "
                "reach AWS IoT by it only if it is a custom domain of this account.",
                resource=name.bare,
                fix=fix,
            )
        if wrong := _wrong(name, region, described):
            return failed(f"{name.bare} {', and '.join(wrong)}.", resource=name.bare, fix=fix)
        return passed(f"{name.bare}; whether it is this account's only an operator can tell")


class EndpointIsReached(Check):
    """The endpoint can be reached from here: DNS, proxy, TCP, TLS and HTTP, each step for itself.

    A browser says only that the socket was closed. Needed are port 443 outwards, or a proxy that tunnels to it
    (`HTTPS_PROXY`, with exceptions in `NO_PROXY`), and trust in Amazon's authorities; where TLS is intercepted, in the
    one that intercepts (`AWS_CA_BUNDLE`). Asked from this machine: a user's network may differ.
    """

    id = "PS404"
    group = Group.CONNECTION
    title = "the endpoint can be reached"
    depends_on = (EndpointIsRight,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        """Go there step by step."""
        endpoint = Endpoint.parse(context.output(Output.PUBSUB_ENDPOINT))
        try:
            way = await find_way(endpoint)
        except BlockedError as block:
            return failed(block.cause, resource=f"{endpoint.authority} ({block.step})", fix=block.fix)
        return passed("; ".join(way.told))


class ClockAgrees(Check):
    """This machine's clock agrees with the `Date` of the endpoint's answer, or of AWS's if that has none.

    The time is part of a signature, and AWS denies a request that it gets more than five minutes from it
    ([AWS](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)). From a minute on it is a warning:
    such a clock is not set by NTP and goes further astray. Asked for this machine: a user's clock may differ.
    """

    id = "PS405"
    group = Group.CONNECTION
    title = "the clock agrees with the server's"
    depends_on = (EndpointIsReached,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        """Ask for the time, and compare."""
        endpoint = Endpoint.parse(context.output(Output.PUBSUB_ENDPOINT))
        by = "the endpoint's answer"
        if (offset := await asyncio.to_thread(offset_of, endpoint)) is None:
            offset, by = (
                await asyncio.to_thread(offset_of, _aws(context)),
                "AWS's answer, for the endpoint's has no date",
            )
        if offset is None:
            return not_applicable("no answer tells the time")
        if offset.surely_beyond(TOLERATED):
            return failed(
                f"This machine's clock is {offset}: AWS denies what is signed with a time more than five minutes off.",
                resource="this machine's clock",
                fix=set_clock_command(),
            )
        if offset.surely_beyond(SUSPICIOUS):
            return warning(
                f"This machine's clock is {offset}: at five minutes AWS denies what is signed with its time.",
                resource="this machine's clock",
                fix=set_clock_command(),
            )
        told = "within a few seconds" if offset.uncertain >= abs(offset.ahead) else str(offset)
        return passed(f"{told}, by {by}")


def _use(host: str) -> str:
    return f"Use {host} as the endpoint: --endpoint {host} here, wss://{host}/mqtt in Amplify's PubSub."


def _described(context: Context) -> str:
    return context.aws.iot.describe_endpoint(endpointType=_ATS)["endpointAddress"]


def _is_custom_domain(context: Context, host: str) -> bool:
    """Tell whether a host is one of the account's own domains in use for MQTT; no if it may not be asked.

    https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable.html
    """
    iot = context.aws.iot
    try:
        pages = iot.get_paginator("list_domain_configurations").paginate(serviceType="DATA")
        names = [each["domainConfigurationName"] for page in pages for each in page["domainConfigurations"]]
        domains = [iot.describe_domain_configuration(domainConfigurationName=each) for each in names]
    except ClientError:
        return False
    return any(each.get("domainName") == host and each["domainConfigurationStatus"] == "ENABLED" for each in domains)


def _aws(context: Context) -> Endpoint:
    address = urlsplit(context.aws.identity_pools_unsigned.meta.endpoint_url)
    tls = address.scheme == "https"
    return Endpoint(address.hostname or "", address.port or (443 if tls else 80), tls=tls, authority=address.netloc)


def _why_not_bare(given: str, name: EndpointName) -> str:
    if given == name.of_amplify:
        return (
            f"{given} is what Amplify's PubSub takes; this client and AWS's own take the host alone, which is what a "
            "signature covers."
        )
    wrong = [
        part
        for part in (
            name.scheme and f"the scheme {name.scheme}://",
            name.path and f"the path {name.path}",
        )
        if part
    ]
    return (
        f"{given} has {' and '.join(wrong)}: Amplify's PubSub takes {name.of_amplify} and nothing else, all others the "
        "host alone; in any other form the WebSocket is asked for at a wrong place or with a wrong signature."
    )


def _wrong(name: EndpointName, region: str, described: str | None) -> list[str]:
    """Return what is wrong with a bare name, as far as can be told; what it is, each."""
    if name.prefix is None:
        return ["is no endpoint for MQTT clients, which is PREFIX-ats.iot.REGION.amazonaws.com: it takes no WebSocket"]
    wrong = []
    if not name.ats:
        wrong.append(
            "is not the ATS endpoint: browsers do not trust the authority that signs its certificate, so TLS fails"
        )
    if name.region != region:
        wrong.append(f"is in region {name.region} and the deployment in {region}: AWS IoT refuses the signature")
    if described is not None and not wrong:
        wrong.append(f"is another account's, this one's is {described}: there nobody knows the identity and its policy")
    return wrong
