import type { PubSub } from '@aws-amplify/pubsub';
import { useEffect, useRef, useState } from 'react';

export interface ChatMessage {
  id: string;
  /** As the sender wrote it: AWS IoT does not say who published a message. */
  from: string;
  msg: string;
}

export interface Chat {
  messages: ChatMessage[];
  send: (from: string, msg: string) => Promise<void>;
}

const KEPT = 50;
const COMES_BACK_MS = 10_000;

/** Receive the messages of the topic, and send one's own. */
export function useChat(pubsub: PubSub, topic: string, connected: boolean): Chat {
  const [messages, setMessages] = useState<ChatMessage[]>([]);
  const sent = useRef(new Map<string, { cameBack: () => void; failed: (why: Error) => void }>());

  useEffect(() => {
    const subscription = pubsub.subscribe({ topics: topic }).subscribe({
      next: (data) => {
        if (!isChatMessage(data)) return;
        setMessages((before) => [...before.filter(({ id }) => id !== data.id), data].slice(-KEPT));
        sent.current.get(data.id)?.cameBack();
      },
    });
    return () => subscription.unsubscribe();
  }, [pubsub, topic]);

  useEffect(() => {
    if (connected) return;
    const why = new Error(`the connection closed, as it does when you may not publish on “${topic}”.`);
    sent.current.forEach(({ failed }) => failed(why));
  }, [connected, topic]);

  /** Amplify does not tell whether a message was published, so it counts as sent when it comes back. */
  const send = async (from: string, msg: string): Promise<void> => {
    const id = crypto.randomUUID();
    const back = new Promise<void>((cameBack, failed) => {
      sent.current.set(id, { cameBack, failed });
      setTimeout(() => failed(new Error('the message did not come back.')), COMES_BACK_MS);
    });
    try {
      await Promise.all([back, pubsub.publish({ topics: topic, message: { id, from, msg } })]);
    } finally {
      sent.current.delete(id);
    }
  };

  return { messages, send };
}

function isChatMessage(data: object): data is ChatMessage {
  return ['id', 'from', 'msg'].every((key) => typeof (data as Record<string, unknown>)[key] === 'string');
}
