import { PubSub } from '@aws-amplify/pubsub';
import outputs from '../../amplify_outputs.json';

const { aws_region: region, endpoint } = outputs.custom.pubsub;

export const options = {
  region,
  endpoint,
  // Amplify turns every address into wss:// unless told that this one is for testing: the embedded cloud's is ws://.
  aws_appsync_dangerously_connect_to_http_endpoint_for_testing: endpoint.startsWith('ws://'),
};

/** The one PubSub of the app. */
export const pubsub = new PubSub(options);

/** Where everybody meets. */
export const TOPIC = 'messages';
