'use strict';
Object.defineProperty(exports, '__esModule', { value: true });

// Compiled; the keys of PubSub were added by hand.
const awsmobile = {
  aws_project_region: 'eu-west-1', // not "us-east-1": { a comment
  aws_cognito_identity_pool_id: 'eu-west-1:11111111-2222-4333-8444-555555555555',
  aws_cognito_region: 'eu-west-1',
  aws_user_pools_id: 'eu-west-1_AbC12dEf3',
  aws_user_pools_web_client_id: '1h57kf5cpq17m0eml12EXAMPLE',
  aws_mandatory_sign_in: 'enable',
  aws_pubsub_region: 'eu-west-1',
  aws_pubsub_endpoint: 'wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt',
  aws_appsync_apiKey: process.env.API_KEY,
};
module.exports = awsmobile;
