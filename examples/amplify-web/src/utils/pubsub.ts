import { PubSub } from '@aws-amplify/pubsub';
import outputs from '../../amplify_outputs.json';

const { aws_region: region, endpoint, access_mode: accessMode } = outputs.custom.pubsub;

export const options = {
  region,
  endpoint,
  // Amplify turns every address into wss:// unless told that this one is for testing: the local cloud's is ws://.
  aws_appsync_dangerously_connect_to_http_endpoint_for_testing: endpoint.startsWith('ws://'),
};

/** Where everybody meets. */
export const TOPIC = 'messages';

/** Whether client ids begin with the identity id, and topics that do are nobody else's. */
export const LEAST_PRIVILEGE = accessMode === 'least-privilege';

/** A topic of one's own: in access mode least-privilege nobody else reads or writes it. */
export const ownTopic = (identityId: string) => `${identityId}/notes`;

/** A client id that the deployment takes; two connections with the same one would end each other. */
export const newClientId = (identityId: string) =>
  LEAST_PRIVILEGE ? `${identityId}-${crypto.randomUUID()}` : crypto.randomUUID();

let opened: PubSub | undefined;

/** The one PubSub of the page, which is the signed-in user's until the page is loaded afresh. */
export const pubsubOf = (identityId: string) =>
  (opened ??= new PubSub({ ...options, clientId: newClientId(identityId) }));
