"""Lambda invokes functions and writes their logs as AWS does."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from local_cloud.patches.iam_policies import role_policies_allow


def install() -> None:
    """Install each part."""
    _check_log_permission()
    _finish_invocations()
    _answer_promptly()
    _fix_node_lambda_client()


def _check_log_permission() -> None:
    """Create a function's log group only if its role allows ``logs:CreateLogGroup``.

    ministack creates it without a permission.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    emit = lambda_svc._emit_lambda_logs

    def emit_lambda_logs(function: dict[str, Any], *arguments: Any, **details: Any) -> None:
        config = function.get("config") or function
        name = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        if name in cloudwatch_logs._log_groups or _may_create(name, config.get("Role", "")):
            emit(function, *arguments, **details)

    lambda_svc._emit_lambda_logs = emit_lambda_logs


def _may_create(log_group: str, role_arn: str) -> bool:
    role_name = role_arn.rpartition("/")[2]
    return role_policies_allow(role_arn, role_name, "logs:CreateLogGroup", cloudwatch_logs._make_group_arn(log_group))


_POLL_SECONDS = 0.05

# Lambda's limit for starting a function, in addition to its timeout.
_INIT_SECONDS = 10


def _finish_invocations() -> None:
    """Finish running invocations of a function that is updated or deleted.

    ministack kills their environments, so the invocations fail.
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (shutdown phase)
    """
    invalidate, kill = lambda_runtime.invalidate_worker, lambda_runtime.kill_workers
    current = threading.local()

    def invalidate_worker(*arguments: Any, **options: Any) -> None:
        current.invalidates = True
        try:
            invalidate(*arguments, **options)
        finally:
            current.invalidates = False

    def kill_workers(workers: Sequence[Any]) -> None:
        busy = [each for each in workers if each.in_use] if getattr(current, "invalidates", False) else []
        for worker in busy:
            threading.Thread(target=_kill_when_done, args=(worker, kill), daemon=True).start()
        kill([each for each in workers if each not in busy])

    lambda_runtime.kill_workers = kill_workers
    lambda_svc.invalidate_worker = invalidate_worker


def _kill_when_done(worker: Any, kill: Callable[[Sequence[Any]], None]) -> None:
    """Wait for the invocation until it must have timed out; ministack does not release a worker that has failed."""
    deadline = time.monotonic() + _INIT_SECONDS + float(worker.config.get("Timeout", 3))
    while worker.in_use and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    kill([worker])


_END_OF_LOG = f"end of the invocation's log {uuid.uuid4()}"

_CALL = "result = handler_fn(event, context)"

_MARKED_CALL = f"""try:
                result = handler_fn(event, context)
            finally:
                print({_END_OF_LOG!r}, file=sys.stderr, flush=True)"""

# A process that has ended writes no mark.
_MAX_SECONDS = 0.25


def _answer_promptly() -> None:
    """Return a Python function's answer as soon as its log is complete.

    ministack waits 50 ms for further lines and polls a thousand times a second. Here the process marks the end.
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    """
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_stderr(self: Any, **waits: float) -> str:
        if not self.config.get("Runtime", "").startswith("python"):
            return str(drain(self, **waits))
        return _until_the_end(self._stderr_queue)

    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(_CALL, _MARKED_CALL)
    lambda_runtime.Worker._drain_stderr_bounded = drain_stderr


def _until_the_end(lines: queue.Queue[str]) -> str:
    read: list[str] = []
    deadline = time.monotonic() + _MAX_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line == _END_OF_LOG:
            break
        read.append(line)
    return "\n".join(read)


_ANSWER = """          res.on("end", () =>
            resolve({
              StatusCode: res.statusCode,
              Payload: Buffer.concat(chunks),
              FunctionError: res.headers["x-amz-function-error"],
            })
          );"""

_ANSWER_OR_ERROR = """          res.on("end", () => {
            const payload = Buffer.concat(chunks);
            if (res.statusCode >= 300) {
              const error = new Error(payload.toString());
              error.name = (res.headers["x-amzn-errortype"] || "Error").split(":")[0];
              error.$metadata = { httpStatusCode: res.statusCode };
              return reject(error);
            }
            resolve({
              StatusCode: res.statusCode,
              Payload: payload,
              FunctionError: res.headers["x-amz-function-error"],
            });
          });"""

_NO_WAITER = """    async function waitUntilFunctionActiveV2() { return { state: "SUCCESS" }; }"""

_WAITER = """    function _state(name) {
      const ep = new URL(process.env.AWS_ENDPOINT_URL || "http://127.0.0.1:4566");
      const path = "/2015-03-31/functions/" + encodeURIComponent(name);
      const headers = _signedHeaders("lambda", "GET", ep, path, "", {});
      return new Promise((resolve, reject) => {
        const options = { hostname: ep.hostname, port: parseInt(ep.port || "4566", 10), path, headers };
        const req = (ep.protocol === "https:" ? https : http).request(options, (res) => {
          const chunks = [];
          res.on("data", (c) => chunks.push(c));
          res.on("end", () => {
            if (res.statusCode >= 300) return resolve(undefined);
            resolve(JSON.parse(Buffer.concat(chunks).toString()).Configuration.State);
          });
        });
        req.on("error", reject);
        req.end();
      });
    }
    async function waitUntilFunctionActiveV2({ maxWaitTime }, { FunctionName }) {
      const end = Date.now() + maxWaitTime * 1000;
      for (;;) {
        if (await _state(FunctionName) === "Active") return { state: "SUCCESS" };
        if (Date.now() > end) {
          const error = new Error(JSON.stringify({ state: "TIMEOUT", reason: "Waiter has timed out" }));
          error.name = "TimeoutError";
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }"""


def _fix_node_lambda_client() -> None:
    """Make the Lambda client of Node functions raise errors and wait for a function as AWS's SDK does.

    ministack's client returns an error as the function's answer, and considers every function active. CDK's provider
    framework needs both: after a failed call it polls GetFunction and then tries again.
    https://docs.aws.amazon.com/AWSJavaScriptSDK/v3/latest/Package/-aws-sdk-client-lambda/Variable/waitUntilFunctionActiveV2/
    """
    script = lambda_runtime._NODEJS_WORKER_SCRIPT
    for theirs, ours in ((_ANSWER, _ANSWER_OR_ERROR), (_NO_WAITER, _WAITER)):
        if script.count(theirs) != 1:
            raise ImportError(
                f"ministack's Node runtime has changed: {theirs.strip().splitlines()[0]!r} not found once"
            )
        script = script.replace(theirs, ours)
    lambda_runtime._NODEJS_WORKER_SCRIPT = script
