/**
 * Why PubSub does not work right now, in words, from what the signed-in user can tell.
 *
 * Amplify reports a refused connection as a closed socket, and neither missing credentials nor a refused topic at all.
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
    | 'credentials-refused'
    | 'endpoint-unreachable'
    | 'websocket-refused'
    | 'no-answer'
    | 'connect-refused'
    | 'topic-refused';
  summary: string;
  advice: string;
  /** What the operator of the deployment can run. */
  command?: string;
}

const OFFLINE: Diagnosis = {
  cause: 'offline',
  summary: 'This browser is offline.',
  advice: 'Check the network connection.',
};

const SIGNED_OUT: Diagnosis = {
  cause: 'signed-out',
  summary: 'Your session has ended.',
  advice: 'Sign out and in again.',
};

/** What is left of a refused connection once self-attach has answered that the policy is attached. */
export const REFUSED_THOUGH_ATTACHED: Diagnosis = {
  cause: 'connect-refused',
  summary: 'AWS IoT was reached, but does not let you connect yet.',
  advice:
    'The IoT policy is attached to your identity, which can take minutes to act. If it does not, the IAM role of signed-in users lacks iot:Connect. The operator can look for the cause:',
  command: 'pubsub smoke',
};

/** Amplify's own signature: the URL is the one that Amplify itself would open. */
class Signer extends PubSub {
  signedUrl(): Promise<string> {
    return this.endpoint;
  }
}

const signer = new Signer(options);
const host = new URL(options.endpoint).host;

/** The identity id of the signed-in user, or why there is none. */
export type Identified = { identityId: string } | { diagnosis: Diagnosis };

/** Ask Amazon Cognito who the signed-in user is, and for AWS credentials. */
export async function identify(): Promise<Identified> {
  if (!navigator.onLine) return { diagnosis: OFFLINE };
  try {
    const { credentials, identityId } = await fetchAuthSession();
    return credentials && identityId ? { identityId } : { diagnosis: SIGNED_OUT };
  } catch (error) {
    return { diagnosis: withoutCredentials(error) };
  }
}

/** Go the way to the topic step by step, and tell which step fails; undefined if none does. */
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
        cause: 'topic-refused',
        summary: `You are connected, but may not subscribe to “${topic}”.`,
        advice: `The IAM role of signed-in users and the IoT policy of identity ${identityId} must both allow iot:Subscribe on it. The operator can look at the policies:`,
        command: `pubsub identity --identity-id ${identityId}`,
      };
    case 'websocket':
      return {
        cause: 'connect-refused',
        summary: 'AWS IoT was reached, but does not let you connect.',
        advice: `No IoT policy is attached to your identity ${identityId}, or the IAM role of signed-in users lacks iot:Connect. A new attachment can take minutes to act. The operator can attach the policy:`,
        command: `pubsub attach --identity-id ${identityId}`,
      };
    case 'silence':
      return {
        cause: 'no-answer',
        summary: `The endpoint ${host} does not answer in time.`,
        advice: 'The network may be slow, or AWS IoT is.',
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
      advice: 'Without it there are no credentials to connect with. Check the network, a proxy or a firewall.',
    };
  }
  return {
    cause: 'credentials-refused',
    summary: 'Amazon Cognito gives you no AWS credentials.',
    advice: `It says: ${message} (${name}). Sign out and in again; if that does not help, the operator can look for the cause:`,
    command: 'pubsub smoke',
  };
}

/** A browser does not tell why a WebSocket was not opened, but it does tell whether anybody answers there. */
async function withoutWebSocket(): Promise<Diagnosis> {
  try {
    await fetch(options.endpoint.replace(/^ws/, 'http'), { mode: 'no-cors', cache: 'no-store' });
  } catch {
    return {
      cause: 'endpoint-unreachable',
      summary: `The endpoint ${host} cannot be reached.`,
      advice: 'Check the network, a proxy or a firewall, and whether the endpoint is that of this deployment.',
    };
  }
  return {
    cause: 'websocket-refused',
    summary: `The endpoint ${host} answers, but opens no WebSocket.`,
    advice:
      'The signature is refused, as with a wrong clock, region or expired credentials, or a proxy lets no WebSocket through.',
  };
}
