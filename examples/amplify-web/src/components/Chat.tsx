import type { PubSub } from '@aws-amplify/pubsub';
import { useConnection } from '../utils/connection';
import { useIdentity } from '../utils/identity';
import { LEAST_PRIVILEGE, ownTopic, pubsubOf, TOPIC } from '../utils/pubsub';
import { ConnectionStatus } from './ConnectionStatus';
import { LatestMessage } from './LatestMessage';
import { Room } from './Room';

export function Chat({ userName }: { userName: string }) {
  const identified = useIdentity();
  if (!identified || 'diagnosis' in identified) {
    return <ConnectionStatus connected={false} diagnosis={identified?.diagnosis} selfAttachment={undefined} />;
  }
  const { identityId } = identified;
  return <Rooms pubsub={pubsubOf(identityId)} userName={userName} identityId={identityId} />;
}

function Rooms({ pubsub, userName, identityId }: { pubsub: PubSub; userName: string; identityId: string }) {
  const connection = useConnection(pubsub, TOPIC);
  const shared = { pubsub, userName, connected: connection.connected };
  return (
    <>
      <ConnectionStatus {...connection} />
      <Room {...shared} topic={TOPIC} title="Conversation" label="Message" action="Send" />
      <p className="latest">
        Latest message: <LatestMessage pubsub={pubsub} />
      </p>
      {LEAST_PRIVILEGE && (
        <Room {...shared} topic={ownTopic(identityId)} title="Notes to yourself" label="Note" action="Add" />
      )}
    </>
  );
}
