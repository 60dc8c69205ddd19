/**
 * Self-attach: an HTTP route of the deployment attaches the IoT policy to the identity that signed the request.
 *
 * Amplify signs the request with the user's AWS credentials, which identify the user. The request has no body.
 */
import { ApiError, post } from 'aws-amplify/api';
import outputs from '../../amplify_outputs.json';

export interface SelfAttachment {
  /** Whether the policy is attached. A new attachment can take minutes to take effect. */
  attached: boolean;
  /** The result to show: the text of the route, or why there is none. */
  text: string;
}

const TIMEOUT_MS = 20_000;

/** Send one request; returns undefined if the deployment has no such route. */
export async function selfAttach(): Promise<SelfAttachment | undefined> {
  if (!outputs.custom.pubsub.self_attach_url) return undefined;
  try {
    const { statusCode, body } = await post({
      apiName: 'self-attach',
      path: '',
      options: { timeout: TIMEOUT_MS, retryStrategy: { strategy: 'no-retry' } },
    }).response;
    return { attached: true, text: resultText(statusCode, await body.text()) };
  } catch (error) {
    const response = error instanceof ApiError ? error.response : undefined;
    const text = response
      ? resultText(response.statusCode, response.body ?? '')
      : `Self-attach cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
    return { attached: false, text };
  }
}

/** Return the text of the route, or the status and the message of API Gateway in front of it. */
function resultText(statusCode: number, body: string): string {
  let result: { text?: string; message?: string } = {};
  try {
    result = JSON.parse(body) as typeof result;
  } catch {
    // Another server answered; the status is shown.
  }
  return result.text ?? `Self-attach failed with HTTP ${statusCode} ${result.message ?? ''}`;
}
