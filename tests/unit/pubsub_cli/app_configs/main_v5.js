import Amplify, { Auth, PubSub } from 'aws-amplify';
import { AWSIoTProvider } from '@aws-amplify/pubsub/lib/Providers';

Amplify.configure({
  Auth: {
    identityPoolId: 'eu-west-1:11111111-2222-4333-8444-555555555555',
    region: 'eu-west-1',
    userPoolId: 'eu-west-1_AbC12dEf3',
    userPoolWebClientId: '1h57kf5cpq17m0eml12EXAMPLE',
    mandatorySignIn: true,
  },
});

Amplify.addPluggable(new AWSIoTProvider({
  aws_pubsub_region: 'eu-west-1',
  aws_pubsub_endpoint: 'wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt',
}));

export async function identity() {
  const info = await Auth.currentCredentials();
  return { id: info.identityId };
}
