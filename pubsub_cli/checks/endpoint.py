"""Checks of the endpoint: its name, the network path to it, and the clock of this machine."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import set_clock_command
from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.network_path import ClockOffset, ConnectivityError, probe_path
from pubsub_cli.finding import AwsCommand, Finding, Fix, Status, failed, not_applicable, passed, warning
from pubsub_client._endpoint import Endpoint, EndpointName
from pubsub_client.outputs import Output

_ATS = "iot:Data-ATS"
_DESCRIBE = AwsCommand("iot", "DescribeEndpoint", {"endpointType": _ATS})
# https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
_PORT = "443"
_NOT_DEFINED = {"undefined", "null", "mqtt"}
"""What JavaScript writes for a variable without a value, and the path of a URL without a host."""
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
_ACCEPTED_BY_AWS = timedelta(minutes=5)
_NOT_SET_BY_NTP = timedelta(minutes=1)


class EndpointIsRight(BlockingCheck):
    """Another account does not know the identity, and another region rejects the signature.

    The endpoint is the host name of the type `iot:Data-ATS`. Browsers do not trust the certificate of `iot:Data`
    ([AWS](https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html)). Amplify's PubSub takes
    the endpoint as `wss://HOST/mqtt`, other clients only the host. The check accepts both. Without AWS credentials it
    can verify neither the account nor a custom domain.
    """

    id = "PS102"
    group = Group.CONFIGURATION
    title = "the endpoint is this account's ATS endpoint in this region"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset()

    def examine(self, context: Context) -> Finding:
        ids = context.deployment_ids
        given = ids.endpoint if ids else context.output(Output.PUBSUB_ENDPOINT)
        name = EndpointName.parse(given)
        finding = _judge_host(context, name)
        if finding.status is not Status.PASSED:
            return finding
        if name.port not in ("", _PORT) and not _is_local(name):
            return failed(
                f"The host is right, but the port is {name.port}: AWS IoT accepts WebSockets only on port {_PORT}.",
                resource=given,
                fix=_use(name.host),
            )
        if not _has_usual_form(given, name):
            return warning(
                f"The host is right, but {given} has neither of the two forms: Amplify's PubSub takes only "
                f"{name.amplify_url}, all other clients take only the host.",
                resource=given,
                fix=_use(name.host),
            )
        return finding


class EndpointIsReached(Check):
    """The check names the step that failed, such as DNS or TLS.

    A client needs outgoing port 443, or a proxy that tunnels to it (`HTTPS_PROXY`, `NO_PROXY`). It must trust
    Amazon's certificate authorities, or that of a proxy that intercepts TLS (`AWS_CA_BUNDLE`). A user's network can
    differ from this machine's.
    """

    id = "PS404"
    group = Group.NETWORK
    title = "the endpoint can be reached"
    depends_on = (EndpointIsRight,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        endpoint = Endpoint.parse(context.output(Output.PUBSUB_ENDPOINT))
        try:
            context.network_path = await probe_path(endpoint)
        except ConnectivityError as error:
            return failed(error.cause, resource=f"{endpoint.authority} ({error.step})", fix=error.fix)
        return passed("; ".join(context.network_path.steps))


class ClockAgrees(Check):
    """AWS denies a request if the time in its signature is more than five minutes wrong
    ([AWS](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)). A difference of more than one
    minute is a warning, because NTP does not set such a clock. A user's clock can differ from this machine's.
    """

    id = "PS405"
    group = Group.NETWORK
    title = "this machine's clock agrees with AWS"
    depends_on = (EndpointIsReached,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        offset, source = context.network_path.clock_offset, "the endpoint's response"
        if offset is None:
            offset, source = await _offset_from_aws(context), "AWS's response, because the endpoint's has no date"
        if offset is None:
            return not_applicable("no response has a date")
        if offset.exceeds(_NOT_SET_BY_NTP):
            found = failed if offset.exceeds(_ACCEPTED_BY_AWS) else warning
            return found(
                f"This machine's clock is {offset}. AWS denies signed requests if the clock is more than five minutes "
                "wrong.",
                resource="this machine's clock",
                fix=set_clock_command(),
            )
        precise = offset.uncertainty < abs(offset.ahead)
        return passed(f"{offset if precise else 'within a few seconds'}, by {source}")


async def _offset_from_aws(context: Context) -> ClockOffset | None:
    """Compare this machine's clock with a response of Amazon Cognito, which needs no credentials."""
    address = urlsplit(context.aws.identity_pools_unsigned.meta.endpoint_url)
    tls = address.scheme == "https"
    endpoint = Endpoint(address.hostname or "", address.port or (443 if tls else 80), tls=tls, authority=address.netloc)
    try:
        return (await probe_path(endpoint)).clock_offset
    except ConnectivityError:
        return None


def _use(host: str) -> str:
    return f"Use {host} as the endpoint: --endpoint {host} here, wss://{host}/mqtt in Amplify's PubSub."


def _is_custom_domain(context: Context, host: str) -> bool:
    """Return whether a host is an enabled custom domain of the account; False if the domains cannot be read.

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


def _has_usual_form(given: str, name: EndpointName) -> bool:
    """Return whether an endpoint is a host, or a URL as Amplify's PubSub takes it; without TLS only on this machine."""
    return given in {name.bare, name.amplify_url} or (_is_local(name) and given == f"ws://{name.bare}/mqtt")


def _is_local(name: EndpointName) -> bool:
    return name.host == "localhost" or name.host.endswith(".localhost")


def _judge_host(context: Context, name: EndpointName) -> Finding:
    """Return the finding for the host, in whichever form the endpoint is given."""
    region, signed = context.output(Output.REGION), context.front_end.pubsub_region
    described = None
    if context.as_operator:
        described = context.aws.iot.describe_endpoint(endpointType=_ATS)["endpointAddress"]
    fixes: tuple[str | AwsCommand, ...] = (_use(described),) if described else (_DESCRIBE, _use("HOST"))
    if problem := _unfinished(name):
        set_region = (f"Set the region of the front end's PubSub to {region}.",) if signed not in (None, region) else ()
        return failed(f"{name.bare or 'The endpoint'} {problem}.", resource=name.bare, fix=(*set_region, *fixes))
    fix: Fix = fixes
    if signed and signed != (name.region or region):
        return failed(
            f"The front end signs its connections for region {signed}, but {name.bare} is in {name.region or region}: "
            "AWS IoT rejects the signature.",
            resource=name.bare,
            fix=f"Set the region of the front end's PubSub to {region}. {_use(described)}"
            if described
            else f"Set the region of the front end's PubSub to {region}.",
        )
    if described and EndpointName.parse(described).host == name.host:
        return passed(name.bare)
    if name.prefix is None and "amazonaws" not in name.host:
        if context.as_operator and _is_custom_domain(context, name.host):
            return passed(f"{name.bare}, a custom domain of this account")
        return warning(
            f"{name.bare} does not have the form of AWS IoT's endpoints, PREFIX-ats.iot.REGION.amazonaws.com. It "
            "works only if it is a custom domain of this account.",
            resource=name.bare,
            fix=fix,
        )
    if problems := _problems(name, region, described):
        return failed(f"{name.bare} {', and '.join(problems)}.", resource=name.bare, fix=fix)
    return passed(f"{name.bare}; only an operator can verify that it is this account's")


def _unfinished(name: EndpointName) -> str | None:
    """Return why a name cannot be a host: the front end did not insert a value, or inserted it twice."""
    if re.search(r"[<>\[\]{}$]", name.bare) or re.match(r"x{4,}(-ats)?\.", name.host):
        return "contains a placeholder of a guide or template: write the account's endpoint"
    if name.host.count(".amazonaws.com") > 1:
        return "has the domain twice, because the front end appends it to a complete host"
    if not name.host or not _NOT_DEFINED.isdisjoint(name.host.split(".")):
        return "has no value: the front end's setting for the endpoint is empty or not defined"
    if "." not in name.host and name.host != "localhost":
        return "is not a complete host name"
    return None


def _problems(name: EndpointName, region: str, described: str | None) -> list[str]:
    """Return what is known to be wrong with a bare name."""
    if name.prefix is None:
        return ["does not have the form of an account's endpoint for MQTT clients, PREFIX-ats.iot.REGION.amazonaws.com"]
    problems = []
    if not name.ats:
        problems.append(
            "is not the ATS endpoint: browsers do not trust the authority that signs its certificate, so TLS fails"
        )
    if name.region != region:
        problems.append(f"is in region {name.region} and the deployment in {region}: AWS IoT rejects the signature")
    if described is not None and not problems:
        problems.append(
            f"belongs to another account, which does not know the identity; this account's endpoint is {described}"
        )
    return problems
