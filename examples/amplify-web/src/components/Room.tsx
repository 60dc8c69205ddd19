import type { PubSub } from '@aws-amplify/pubsub';
import { useChat } from '../utils/chat';
import { Conversation } from './Conversation';
import { SendMessage } from './SendMessage';

interface Props {
  pubsub: PubSub;
  topic: string;
  userName: string;
  connected: boolean;
  title: string;
  /** What a line written there is called. */
  label: string;
  /** What the button says. */
  action: string;
}

/** What is said on one topic. */
export function Room({ pubsub, topic, userName, connected, title, label, action }: Props) {
  const { messages, send } = useChat(pubsub, topic, connected);
  return (
    <>
      <Conversation title={title} messages={messages} userName={userName} />
      <SendMessage label={label} action={action} connected={connected} send={(msg) => send(userName, msg)} />
    </>
  );
}
