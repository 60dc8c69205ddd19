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
  /** The label of the input. */
  label: string;
  /** The label of the button. */
  action: string;
}

/** The messages of one topic, and a form to send one. */
export function Room({ pubsub, topic, userName, connected, title, label, action }: Props) {
  const { messages, send } = useChat(pubsub, topic, connected);
  return (
    <>
      <h2>{title}</h2>
      <Conversation title={title} messages={messages} userName={userName} />
      <SendMessage label={label} action={action} connected={connected} send={(msg) => send(userName, msg)} />
    </>
  );
}
