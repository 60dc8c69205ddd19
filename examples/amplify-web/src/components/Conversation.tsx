import type { ChatMessage } from '../utils/chat';

export function Conversation({ messages, userName }: { messages: ChatMessage[]; userName: string }) {
  return (
    <section className="conversation" role="log" aria-label="Conversation" tabIndex={0}>
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
