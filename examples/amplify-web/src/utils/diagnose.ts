/**
 * Why PubSub does not work now, as far as the browser can find out.
 *
 * Amplify reports a denied connection as a closed socket, and reports neither missing credentials nor a denied topic.
 */
import { PubSub } from '@aws-amplify/pubsub';
import { fetchAuthSession } from 'aws-amplify/auth';
import { probe } from './probe';
import { newClientId, options } from './pubsub';

export interface Diagnosis {
  cause:
    | 'offline'
    | 'signed-out'
    | 'cognito-unreachable'
    | 'credentials-denied'
    | 'endpoint-unreachable'
    | 'websocket-rejected'
    | 'no-answer'
    | 'connect-denied'
    | 'topic-denied';
  summary: string;
  advice: string;
  /** A command for an administrator of the deployment. */
  command?: string;
}

const OFFLINE: Diagnosis = {
  cause: 'offline',
  summary: 'You are offline.',
  advice: 'Check your network connection.',
};

const SIGNED_OUT: Diagnosis = {
  cause: 'signed-out',
  summary: 'Your session has ended.',
  advice: 'Sign out and sign in again.',
};

/** Self-attach has attached the policy, but AWS IoT still denies the connection. */
export const NOT_EFFECTIVE_YET: Diagnosis = {
  cause: 'connect-denied',
  summary: 'AWS IoT does not let you connect yet.',
  advice:
    'Your IoT policy is attached, but it can take minutes to take effect. If it takes longer, the IAM role of signed-in users may not allow iot:Connect. An administrator can check this:',
  command: 'pubsub smoke',
};

/** Gives access to the signed URL that Amplify opens. */
class Signer extends PubSub {
  signedUrl(): Promise<string> {
    return this.endpoint;
  }
}

const signer = new Signer(options);
const host = new URL(options.endpoint).host;

/** The identity id of the signed-in user, or why there is none. */
export type Identified = { identityId: string } | { diagnosis: Diagnosis };

/** Request the user's identity id and AWS credentials from Amazon Cognito. */
export async function identify(): Promise<Identified> {
  if (!navigator.onLine) return { diagnosis: OFFLINE };
  try {
    const { credentials, identityId } = await fetchAuthSession();
    return credentials && identityId ? { identityId } : { diagnosis: SIGNED_OUT };
  } catch (error) {
    return { diagnosis: withoutCredentials(error) };
  }
}

/** Check each step of a subscription; returns undefined if all succeed. */
export async function diagnose(topic: string): Promise<Diagnosis | undefined> {
  const identified = await identify();
  if ('diagnosis' in identified) return identified.diagnosis;
  const { identityId } = identified;
  let signedUrl: string;
  try {
    signedUrl = await signer.signedUrl();
  } catch (error) {
    return withoutCredentials(error);
  }
  switch (await probe(signedUrl, newClientId(identityId), topic)) {
    case 'topic':
      return undefined;
    case 'connection':
      return {
        cause: 'topic-denied',
        summary: `You are connected, but not allowed to subscribe to “${topic}”.`,
        advice: `The IAM role of signed-in users and the IoT policy of your identity ${identityId} must both allow iot:Subscribe. An administrator can check the policies:`,
        command: `pubsub identity --identity-id ${identityId}`,
      };
    case 'websocket':
      return {
        cause: 'connect-denied',
        summary: 'AWS IoT does not let you connect.',
        advice: `Your identity ${identityId} may have no IoT policy, or the IAM role of signed-in users may not allow iot:Connect. A new attachment can take minutes to take effect. An administrator can attach the policy:`,
        command: `pubsub attach --identity-id ${identityId}`,
      };
    case 'timeout':
      return {
        cause: 'no-answer',
        summary: 'AWS IoT did not answer in time.',
        advice: `The network or the endpoint ${host} may be slow.`,
      };
    case 'nothing':
      return withoutWebSocket();
  }
}

function withoutCredentials(error: unknown): Diagnosis {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === 'NetworkError') {
    return {
      cause: 'cognito-unreachable',
      summary: 'Amazon Cognito cannot be reached.',
      advice: 'It provides the credentials for the connection. Check your network, proxy and firewall.',
    };
  }
  return {
    cause: 'credentials-denied',
    summary: 'Amazon Cognito did not provide AWS credentials.',
    advice: `Reason: ${message} (${name}). Sign out and sign in again. If that does not help, an administrator can find the cause:`,
    command: 'pubsub smoke',
  };
}

/** A browser does not report why a WebSocket failed, but it reports whether a server answers HTTP requests. */
async function withoutWebSocket(): Promise<Diagnosis> {
  try {
    await fetch(options.endpoint.replace(/^ws/, 'http'), { mode: 'no-cors', cache: 'no-store' });
  } catch {
    return {
      cause: 'endpoint-unreachable',
      summary: 'AWS IoT cannot be reached.',
      advice: `Check your network, proxy and firewall. The endpoint ${host} in the app’s configuration may also be wrong.`,
    };
  }
  return {
    cause: 'websocket-rejected',
    summary: 'AWS IoT answered, but did not open a WebSocket.',
    advice:
      'Possible causes: the clock of this device is wrong, the credentials have expired, the app has the wrong region, or a proxy blocks WebSockets.',
  };
}
