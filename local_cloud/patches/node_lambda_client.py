"""The Lambda client that Node functions find fails when it is refused, and waits for a function as AWS's SDK does.

ministack's own takes a refusal for the function's answer, and finds every function active at once. CDK's provider
framework relies on both: after a failed call it asks GetFunction, again and again, and then calls once more.
https://docs.aws.amazon.com/AWSJavaScriptSDK/v3/latest/Package/-aws-sdk-client-lambda/Variable/waitUntilFunctionActiveV2/
"""

from __future__ import annotations

from ministack.core import lambda_runtime

NEEDS = {lambda_runtime: ("_NODEJS_WORKER_SCRIPT",)}

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


def install() -> None:
    """Put both into the script that runs Node functions.

    Raises:
        ImportError: the script is not the one that this was written for.
    """
    script = lambda_runtime._NODEJS_WORKER_SCRIPT
    for theirs, ours in ((_ANSWER, _ANSWER_OR_ERROR), (_NO_WAITER, _WAITER)):
        if script.count(theirs) != 1:
            raise ImportError(
                f"ministack's Node runtime has changed: {theirs.strip().splitlines()[0]!r} not found once"
            )
        script = script.replace(theirs, ours)
    lambda_runtime._NODEJS_WORKER_SCRIPT = script
