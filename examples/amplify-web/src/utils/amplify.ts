import { Amplify } from 'aws-amplify';
import { parseAmplifyConfig } from 'aws-amplify/utils';
import outputs from '../../amplify_outputs.json';

const config = parseAmplifyConfig(outputs);
const { cognito, pubsub } = outputs.custom;

// Only the outputs of the local cloud have Cognito endpoints. On AWS, Amplify derives them from the region.
if (config.Auth && cognito) {
  Object.assign(config.Auth.Cognito, {
    userPoolEndpoint: cognito.user_pool_endpoint,
    identityPoolEndpoint: cognito.identity_pool_endpoint,
  });
}

if (pubsub.self_attach_url) {
  config.API = { REST: { 'self-attach': { endpoint: pubsub.self_attach_url, region: pubsub.aws_region } } };
}

Amplify.configure(config);
