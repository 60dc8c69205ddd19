"""CloudFormation makes alarms on metric math, and DescribeAlarms tells their queries instead of one metric.

ministack's CloudFormation refuses such an alarm.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

NEEDS = {provisioners: ("_cw_metric_alarm_record",)}

_OF_ONE_METRIC = ("Dimensions", "ExtendedStatistic", "MetricName", "Namespace", "Period", "Statistic", "Unit")


def install() -> None:
    """Keep the queries in the alarm that ministack would make of one metric."""
    record = provisioners._cw_metric_alarm_record

    def record_with_queries(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        queries = properties.get("Metrics")
        if not queries:
            return dict(record(name, properties))
        some_metric = {"Metrics": None, "MetricName": "none", "Namespace": "none"}
        alarm = record(name, properties | some_metric)
        common = {key: value for key, value in alarm.items() if key not in _OF_ONE_METRIC}
        return common | {"Dimensions": [], "Metrics": queries}

    provisioners._cw_metric_alarm_record = record_with_queries
