"""Alarms and a dashboard. docs/how-to/operate.md describes what to do when an alarm starts."""

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

# As lambdas/attachment/metrics.py emits the metrics.
_NAMESPACE = "AmplifyPubSub"
_OUTCOMES = ("Attached", "Queued", "Failed", "Skipped")

_PERIOD = Duration.minutes(5)
_LONG_PERIOD = Duration.minutes(15)
_DOCUMENT = "docs/how-to/operate.md"

# In milliseconds from the start of the trigger. It stops after 2.5 s and has queued the attachment after 3.5 s. Lambda
# stops a warm function after 4 s, and Cognito fails the sign-in after 5 s.
_TRIGGER_BUDGET = 2500
_SLOW = 3000
_COGNITO_LIMIT = 5000
# Twice as long as AWS IoT may take to apply a new attachment.
_PENDING_TOO_LONG = Duration.minutes(15)

_HALF, _WHOLE = 12, 24

_REJECTED = "AWS IoT rejects their users."
_FUNCTION_EFFECTS = {
    "trigger": "Cognito fails sign-ins.",
    "challenge": "New attachments wait in the retry queue.",
    "worker": f"Pending attachments wait, and {_REJECTED}",
    "self-attach": "Users cannot attach the policy themselves.",
    "sweep": "Missing policies are not attached.",
    "drift-detector": "Lost triggers are not reported.",
}
"""The effect on users if a function fails or is throttled."""


class Monitoring(Construct):
    """Alarms for the parts that a deployment has, and a dashboard if the setting ``monitoring`` is ``full``.

    The section ``<name>`` of docs/how-to/operate.md describes the alarm ``<stack>-<name>``. With the setting
    ``alarmTopicArn`` each alarm notifies that topic when it starts and when it ends.
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
        self._alarm(
            "self-attach-failed",
            "Self-attach could not attach the policy. AWS IoT rejects these users.",
            self._reported("self-attach", "Failed"),
        )
        self._watch_sweeps(sweep)
        self._alarm(
            "bulk-detach-failed",
            "A bulk detachment failed. Identities still have the policy.",
            detach_all.machine.state_machine.metric_failed(period=_PERIOD),
        )
        if drift_detector:
            functions |= {"drift-detector": drift_detector.function}
            self._alarm(
                "pool-drift",
                "An adopted pool has lost triggers or an app client of this stack. AWS IoT rejects new users.",
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
            effect = _FUNCTION_EFFECTS[name]
            errors, throttles = function.metric_errors(period=_PERIOD), function.metric_throttles(period=_PERIOD)
            self._alarm(f"{name}-errors", f"The {name} function fails. {effect}", errors)
            self._alarm(
                f"{name}-throttles",
                f"Lambda throttles the {name} function. {effect}",
                throttles,
                command="aws lambda get-account-settings",
            )

    def _watch_sign_ins(self, user_pool: UserPoolResources, sign_in: SignInAttachment) -> None:
        self._alarm(
            "sign-in-failed",
            "Sign-ins could neither attach the policy nor queue the attachment. AWS IoT rejects these users.",
            self._reported("sign-in", "Failed"),
        )
        self._alarm(
            "retry-failed",
            f"The worker moved attachments to the dead-letter queue. {_REJECTED}",
            self._reported("retry", "Failed"),
            command=self._pubsub("redrive --dry-run"),
        )
        self._alarm(
            "trigger-slow",
            "Sign-ins take more than 3 s. Cognito fails them after 5 s.",
            self._reported("sign-in", "Duration", "Maximum"),
            above=_SLOW,
        )
        self._alarm(
            "trigger-not-configured",
            "Users sign in, but the user pool does not call the trigger. AWS IoT rejects new users.",
            self._without_trigger(user_pool, sign_in),
            datapoints=2,
            periods=4,
        )
        queues = sign_in.retry_queue
        self._alarm(
            "retry-queue-age",
            f"The worker does not receive attachments from the retry queue. {_REJECTED}",
            queues.queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=_PERIOD),
            above=_PENDING_TOO_LONG.to_seconds(),
        )
        # The age of the oldest message ignores messages that were received three times, and the worker receives one
        # many times:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        self._alarm(
            "retries-persisting",
            f"The worker has deferred attachments for half an hour. {_REJECTED}",
            self._reported("retry", "Queued").with_(period=_LONG_PERIOD),
            periods=2,
        )
        # SQS can stop reporting a queue that was not used for six hours, even if it contains messages:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
        self._alarm(
            "dead-letters",
            f"Attachments in the dead-letter queue are not retried. {_REJECTED}",
            queues.dead_letter_queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=_PERIOD),
            command=self._pubsub("redrive --dry-run"),
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _without_trigger(self, user_pool: UserPoolResources, sign_in: SignInAttachment) -> cloudwatch.MathExpression:
        """Return 1 for each period in which users signed in and the trigger did not run.

        A period without sign-ins has no datapoint. A single period can be 1 by chance: it ends between a sign-in's
        trigger and its tokens, or CloudWatch does not have the invocations yet. Cognito reports metrics every five
        minutes: https://docs.aws.amazon.com/cognito/latest/developerguide/metrics-for-cognito-user-pools.html
        """
        sign_ins = {
            f"signIns{number}": cloudwatch.Metric(
                namespace="AWS/Cognito",
                metric_name="SignInSuccesses",
                dimensions_map={
                    "UserPool": user_pool.pool.user_pool_id,
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
        self._alarm(
            "sweep-attach-failed",
            f"The sweep could not attach the policy to identities. {_REJECTED}",
            self._reported("sweep", "Failed"),
        )
        self._alarm(
            "sweep-failed",
            "A sweep failed or timed out. Missing policies are not attached.",
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
        command: str | None = None,
        above: float = 0,
        datapoints: int | None = None,
        periods: int = 1,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        """Create an alarm that starts when ``datapoints`` of the last ``periods``, or all, are above the threshold.

        The description contains the problem, the command to run (`pubsub doctor` by default), and the documentation.
        """
        alarm = cloudwatch.Alarm(
            self,
            name.title().replace("-", ""),
            alarm_name=f"{self._stack_name}-{name}",
            alarm_description=f"{problem} Run: {command or self._pubsub('doctor')}. {_DOCUMENT}#{name}",
            metric=metric,
            threshold=above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            datapoints_to_alarm=datapoints,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        if self._topic:
            alarm.add_alarm_action(self._topic)
            alarm.add_ok_action(self._topic)
        self._alarms.append(alarm)

    def _pubsub(self, command: str) -> str:
        return f"pubsub {command} --stack {self._stack_name}"

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
            "sign-in": "Attachments at sign-in",
            "retry": "Attachments by the worker",
            "self-attach": "Attachments by self-attach",
            "sweep": "Attachments by the sweep",
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
            title="Function errors and throttles",
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
        marks = {_TRIGGER_BUDGET: "trigger queues", _SLOW: "alarm", _COGNITO_LIMIT: "Cognito fails the sign-in"}
        return [
            cloudwatch.GraphWidget(
                title="Trigger duration",
                left=[
                    self._reported("sign-in", "Duration", each).with_(label=each) for each in ("p50", "p99", "Maximum")
                ],
                left_annotations=[cloudwatch.HorizontalAnnotation(value=at, label=what) for at, what in marks.items()],
                left_y_axis=cloudwatch.YAxisProps(min=0, label="ms", show_units=False),
                width=_HALF,
            ),
            cloudwatch.GraphWidget(
                title="Pending attachments",
                left=[
                    queue.metric_approximate_number_of_messages_visible(label="waiting", statistic="Maximum"),
                    queue.metric_approximate_number_of_messages_not_visible(
                        label="in progress or deferred", statistic="Maximum"
                    ),
                    dead_letters.metric_approximate_number_of_messages_visible(
                        label="dead letters", statistic="Maximum"
                    ),
                ],
                right=[queue.metric_approximate_age_of_oldest_message(label="age of oldest", statistic="Maximum")],
                right_y_axis=cloudwatch.YAxisProps(min=0, label="s", show_units=False),
                width=_HALF,
            ),
        ]
