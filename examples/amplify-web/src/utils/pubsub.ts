import { PubSub } from '@aws-amplify/pubsub';
import outputs from '../../amplify_outputs.json';

const { aws_region: region, endpoint, access_mode: accessMode } = outputs.custom.pubsub;

export const options = {
  region,
  endpoint,
  // Without this option Amplify uses wss:// for every endpoint; the local cloud's is ws://.
  aws_appsync_dangerously_connect_to_http_endpoint_for_testing: endpoint.startsWith('ws://'),
};

/** The topic that all users share. */
export const TOPIC = 'messages';

/** Whether client ids and the user's own topics must begin with the identity id. */
export const LEAST_PRIVILEGE = accessMode === 'least-privilege';

/** A topic that only this user can publish and subscribe to in access mode least-privilege. */
export const ownTopic = (identityId: string) => `${identityId}/notes`;

/** A new client id. AWS IoT disconnects a client when another one connects with the same client id. */
export const newClientId = (identityId: string) =>
  LEAST_PRIVILEGE ? `${identityId}-${crypto.randomUUID()}` : crypto.randomUUID();

let pubsub: PubSub | undefined;

/** The only PubSub of the page; the page is reloaded before another user signs in. */
export const pubsubOf = (identityId: string) =>
  (pubsub ??= new PubSub({ ...options, clientId: newClientId(identityId) }));
