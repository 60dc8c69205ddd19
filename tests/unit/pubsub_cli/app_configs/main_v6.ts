import { Amplify, type ResourcesConfig } from 'aws-amplify';
import { PubSub } from '@aws-amplify/pubsub';

const config: ResourcesConfig = {
  Auth: {
    Cognito: {
      userPoolId: 'eu-west-1_AbC12dEf3',
      userPoolClientId: '1h57kf5cpq17m0eml12EXAMPLE',
      identityPoolId: 'eu-west-1:11111111-2222-4333-8444-555555555555',
      allowGuestAccess: true,
      loginWith: { email: true, oauth: { domain: `shop.auth.eu-west-1.amazoncognito.com`, scopes: ['openid'] } },
    },
  },
} as const;
Amplify.configure(config);

export const pubsub = new PubSub({
  region: 'eu-west-1',
  endpoint: 'wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt',
});
