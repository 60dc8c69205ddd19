import { useChat } from '../utils/chat';
import { useConnection } from '../utils/connection';
import { TOPIC } from '../utils/pubsub';
import { ConnectionStatus } from './ConnectionStatus';
import { Conversation } from './Conversation';
import { LatestMessage } from './LatestMessage';
import { SendMessage } from './SendMessage';

export function Chat({ userName }: { userName: string }) {
  const connection = useConnection(TOPIC);
  const { messages, send } = useChat(connection.connected);
  return (
    <>
      <ConnectionStatus {...connection} />
      <Conversation messages={messages} userName={userName} />
      <p className="latest">
        Latest message: <LatestMessage />
      </p>
      <SendMessage connected={connection.connected} send={(msg) => send(userName, msg)} />
    </>
  );
}
