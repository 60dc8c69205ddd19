"""Alarms and a dashboard. docs/how-to/operate.md says what to do when an alarm goes off."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from .detach_all import DetachAll
from .drift_detector import EVERY, DriftDetector
from .settings import Settings
from .sign_in_attachment import SignInAttachment
from .sweep import Sweep
from .user_pool import UserPoolResources

# What attachment/metrics.py in lambdas/ writes.
_NAMESPACE = "AmplifyPubSub"
_OUTCOMES = ("Attached", "Queued", "Failed", "Skipped")

_PERIOD = Duration.minutes(5)
_LONG_PERIOD = Duration.minutes(15)
_DOCUMENT = "docs/how-to/operate.md"

# Milliseconds of a sign-in with cold start: the trigger stops after 2.5 s and has queued after 3.5 s. Lambda stops a
# warm function after 4 s, and Cognito fails the sign-in after 5 s.
_TRIGGER_BUDGET = 2500
_SLOW = 3000
_COGNITO_LIMIT = 5000
# Twice as long as AWS IoT may take to apply a new attachment.
_PENDING_TOO_LONG = Duration.minutes(15)

_HALF, _WHOLE = 12, 24


class Monitoring(Construct):
    """Alarms for the parts that a deployment has, and a dashboard if the setting ``monitoring`` is ``full``.

    The alarm ``<stack>-<name>`` has the section ``<name>`` in docs/how-to/operate.md. With ``alarmTopicArn``
    each alarm notifies that topic when it goes off and when it is over.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        user_pool: UserPoolResources,
        sign_in: SignInAttachment | None,
        self_attach: lambda_.IFunction,
        sweep: Sweep,
        detach_all: DetachAll,
        drift_detector: DriftDetector | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stack_name = Stack.of(self).stack_name
        self._topic = (
            actions.SnsAction(sns.Topic.from_topic_arn(self, "Topic", settings.alarm_topic_arn))
            if settings.alarm_topic_arn
            else None
        )
        self._alarms: list[cloudwatch.Alarm] = []
        functions: dict[str, lambda_.IFunction] = {}
        sources = []
        if sign_in:
            functions |= {
                "trigger": sign_in.trigger,
                "challenge": sign_in.challenge,
                "worker": sign_in.retry_queue.worker,
            }
            sources += ["sign-in", "retry"]
            self._watch_sign_ins(user_pool, sign_in)
        functions |= {"self-attach": self_attach, "sweep": sweep.function}
        sources += ["self-attach", "sweep"]
        self._alarm("self-attach-failed", "Self-attach could not attach", self._reported("self-attach", "Failed"))
        self._watch_sweeps(sweep)
        self._alarm(
            "bulk-detach-failed",
            "A bulk detachment failed, and the IoT policy is still attached",
            detach_all.machine.state_machine.metric_failed(period=_PERIOD),
        )
        if drift_detector:
            functions |= {"drift-detector": drift_detector.function}
            self._alarm(
                "pool-drift",
                "An adopted pool has lost our triggers or app client",
                cloudwatch.Metric(
                    namespace=_NAMESPACE,
                    metric_name="PoolDrift",
                    dimensions_map={"Stack": self._stack_name},
                    statistic="Maximum",
                    period=EVERY,
                ),
            )
        self._watch_functions(functions)
        if settings.monitoring == "full":
            self._create_dashboard(sign_in, functions, sources)

    def _watch_functions(self, functions: dict[str, lambda_.IFunction]) -> None:
        for name, function in functions.items():
            errors, throttles = function.metric_errors(period=_PERIOD), function.metric_throttles(period=_PERIOD)
            self._alarm(f"{name}-errors", f"The {name} function fails", errors)
            self._alarm(f"{name}-throttles", f"Lambda throttles the {name} function", throttles)

    def _watch_sign_ins(self, user_pool: UserPoolResources, sign_in: SignInAttachment) -> None:
        self._alarm(
            "sign-in-failed",
            "A sign-in could neither attach the policy nor queue the attachment",
            self._reported("sign-in", "Failed"),
        )
        self._alarm(
            "retry-failed",
            "The worker moved attachments to the dead-letter queue, because retries cannot help",
            self._reported("retry", "Failed"),
        )
        self._alarm(
            "trigger-slow",
            "Sign-ins come close to the five seconds that Cognito gives the trigger",
            self._reported("sign-in", "Duration", "Maximum"),
            above=_SLOW,
        )
        self._alarm(
            "trigger-not-configured",
            "Users sign in, but the user pool does not call the trigger",
            self._without_trigger(user_pool, sign_in),
            datapoints=2,
            of=4,
        )
        queues = sign_in.retry_queue
        self._alarm(
            "retry-queue-age",
            "Attachments wait in the retry queue and the worker does not receive them",
            queues.queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=_PERIOD),
            above=_PENDING_TOO_LONG.to_seconds(),
        )
        # The age of the oldest message ignores messages that were received three times, and the worker receives one
        # many times:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        self._alarm(
            "retries-persisting",
            "The worker has been deferring attachments for half an hour",
            self._reported("retry", "Queued").with_(period=_LONG_PERIOD),
            datapoints=2,
            of=2,
        )
        # SQS can stop reporting a queue that was not used for six hours, even if it has messages:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
        self._alarm(
            "dead-letters",
            "Attachments are in the dead-letter queue, where nothing retries them",
            queues.dead_letter_queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=_PERIOD),
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _without_trigger(self, user_pool: UserPoolResources, sign_in: SignInAttachment) -> cloudwatch.MathExpression:
        """Return 1 for a period in which users signed in and the trigger never ran.

        A period without sign-ins has no datapoint. A period can also be 1 because it ends between a sign-in's trigger
        and its tokens, or because CloudWatch does not have the invocations yet. So one period is no alarm. Cognito
        reports its metrics every five minutes: https://docs.aws.amazon.com/cognito/latest/developerguide/metrics-for-cognito-user-pools.html
        """
        sign_ins = {
            f"signIns{number}": cloudwatch.Metric(
                namespace="AWS/Cognito",
                metric_name="SignInSuccesses",
                dimensions_map={
                    "UserPool": user_pool.user_pool.user_pool_id,
                    "UserPoolClient": client.user_pool_client_id,
                },
                statistic="Sum",
            )
            for number, client in enumerate(user_pool.clients, start=1)
        }
        count = 'SUM(METRICS("signIns"))' if len(sign_ins) > 1 else next(iter(sign_ins))
        return cloudwatch.MathExpression(
            expression=f"IF(({count} > 0) AND (FILL(invocations, 0) == 0), 1, 0)",
            using_metrics={**sign_ins, "invocations": sign_in.trigger.metric_invocations()},
            period=_LONG_PERIOD,
            label="sign-ins without the trigger",
        )

    def _watch_sweeps(self, sweep: Sweep) -> None:
        machine = sweep.machine.state_machine
        self._alarm("sweep-attach-failed", "The sweep could not attach identities", self._reported("sweep", "Failed"))
        self._alarm(
            "sweep-failed",
            "A sweep failed or timed out",
            cloudwatch.MathExpression(
                expression="FILL(failed, 0) + FILL(timedOut, 0)",
                using_metrics={"failed": machine.metric_failed(), "timedOut": machine.metric_timed_out()},
                period=_PERIOD,
                label="sweeps that failed or timed out",
            ),
        )

    def _alarm(
        self,
        name: str,
        problem: str,
        metric: cloudwatch.IMetric,
        *,
        above: float = 0,
        datapoints: int = 1,
        of: int = 1,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        """Create an alarm that goes off when ``datapoints`` of the last ``of`` periods are above the threshold."""
        alarm = cloudwatch.Alarm(
            self,
            name.title().replace("-", ""),
            alarm_name=f"{self._stack_name}-{name}",
            alarm_description=f"{problem}: {_DOCUMENT}#{name}",
            metric=metric,
            threshold=above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            datapoints_to_alarm=datapoints,
            evaluation_periods=of,
            treat_missing_data=missing,
        )
        if self._topic:
            alarm.add_alarm_action(self._topic)
            alarm.add_ok_action(self._topic)
        self._alarms.append(alarm)

    def _reported(self, source: str, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        """Return a metric that the functions emit."""
        return cloudwatch.Metric(
            namespace=_NAMESPACE,
            metric_name=name,
            dimensions_map={"Stack": self._stack_name, "Source": source},
            statistic=statistic,
            period=_PERIOD,
        )

    def _create_dashboard(
        self, sign_in: SignInAttachment | None, functions: dict[str, lambda_.IFunction], sources: Sequence[str]
    ) -> None:
        titles = {
            "sign-in": "Are sign-ins attached?",
            "retry": "Does the worker attach the rest?",
            "self-attach": "Do users attach themselves?",
            "sweep": "What does the sweep find?",
        }
        outcomes = [
            cloudwatch.GraphWidget(
                title=titles[source],
                left=[self._reported(source, outcome) for outcome in _OUTCOMES],
                stacked=True,
                width=_WHOLE // len(sources),
            )
            for source in sources
        ]
        failures = cloudwatch.GraphWidget(
            title="Do functions fail, or does Lambda throttle them?",
            left=[
                metric.with_(label=f"{name} {what}")
                for name, function in functions.items()
                for what, metric in (("errors", function.metric_errors()), ("throttles", function.metric_throttles()))
            ],
            width=_HALF,
        )
        alarms = cloudwatch.AlarmStatusWidget(title="Alarms", alarms=self._alarms, width=_HALF, height=6)
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self._stack_name,
            widgets=[outcomes, self._sign_in_widgets(sign_in) if sign_in else [], [failures, alarms]],
        )

    def _sign_in_widgets(self, sign_in: SignInAttachment) -> list[cloudwatch.IWidget]:
        queue, dead_letters = sign_in.retry_queue.queue, sign_in.retry_queue.dead_letter_queue
        marks = {_TRIGGER_BUDGET: "stops and queues", _SLOW: "alarm", _COGNITO_LIMIT: "Cognito fails the sign-in"}
        return [
            cloudwatch.GraphWidget(
                title="How long does the trigger take?",
                left=[
                    self._reported("sign-in", "Duration", each).with_(label=each) for each in ("p50", "p99", "Maximum")
                ],
                left_annotations=[cloudwatch.HorizontalAnnotation(value=at, label=what) for at, what in marks.items()],
                left_y_axis=cloudwatch.YAxisProps(min=0, label="ms", show_units=False),
                width=_HALF,
            ),
            cloudwatch.GraphWidget(
                title="Is anything waiting, or dead?",
                left=[
                    queue.metric_approximate_number_of_messages_visible(label="waiting", statistic="Maximum"),
                    queue.metric_approximate_number_of_messages_not_visible(
                        label="in progress or deferred", statistic="Maximum"
                    ),
                    dead_letters.metric_approximate_number_of_messages_visible(label="dead", statistic="Maximum"),
                ],
                right=[queue.metric_approximate_age_of_oldest_message(label="oldest", statistic="Maximum")],
                right_y_axis=cloudwatch.YAxisProps(min=0, label="s", show_units=False),
                width=_HALF,
            ),
        ]
