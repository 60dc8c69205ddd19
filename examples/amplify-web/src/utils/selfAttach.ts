/**
 * Self-attach: the deployment attaches the IoT policy to the identity of whoever asks.
 *
 * Amplify signs the request with the signed-in user's AWS credentials. They say whose identity it is, so nothing is sent.
 */
import { ApiError, post } from 'aws-amplify/api';
import outputs from '../../amplify_outputs.json';

export interface SelfAttachment {
  /** The policy is attached now; it can take AWS IoT minutes to act on it. */
  attached: boolean;
  /** What the route says, or why it says nothing. */
  text: string;
}

const TIMEOUT_MS = 20_000;

/** Ask once; undefined if the deployment has no such route. */
export async function selfAttach(): Promise<SelfAttachment | undefined> {
  if (!outputs.custom.pubsub.self_attach_url) return undefined;
  try {
    const { statusCode, body } = await post({
      apiName: 'self-attach',
      path: '',
      options: { timeout: TIMEOUT_MS, retryStrategy: { strategy: 'no-retry' } },
    }).response;
    return { attached: true, text: said(statusCode, await body.text()) };
  } catch (error) {
    const answer = error instanceof ApiError ? error.response : undefined;
    const text = answer
      ? said(answer.statusCode, answer.body ?? '')
      : `Self-attach cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
    return { attached: false, text };
  }
}

/** The route's own words; API Gateway, which stands before it, has some in `message`. */
function said(statusCode: number, body: string): string {
  let answer: { text?: string; message?: string } = {};
  try {
    answer = JSON.parse(body) as typeof answer;
  } catch {
    // not the route, and not API Gateway: the status says enough
  }
  return answer.text ?? `Self-attach answers HTTP ${statusCode} ${answer.message ?? ''}`;
}
