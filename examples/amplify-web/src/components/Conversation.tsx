import type { ChatMessage } from '../utils/chat';

interface Props {
  title: string;
  messages: ChatMessage[];
  userName: string;
}

export function Conversation({ title, messages, userName }: Props) {
  return (
    <section className="conversation" role="log" aria-label={title} tabIndex={0}>
      <ol>
        {messages.map(({ id, from, msg }) => (
          <li key={id} className={from === userName ? 'own' : ''}>
            <b>{from}</b> {msg}
          </li>
        ))}
      </ol>
    </section>
  );
}
