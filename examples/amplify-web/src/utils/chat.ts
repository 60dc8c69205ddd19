import type { PubSub } from '@aws-amplify/pubsub';
import { useEffect, useRef, useState } from 'react';

export interface ChatMessage {
  id: string;
  /** The name that the sender claims. AWS IoT does not identify publishers. */
  from: string;
  msg: string;
}

export interface Chat {
  messages: ChatMessage[];
  send: (from: string, msg: string) => Promise<void>;
}

const MAX_MESSAGES = 50;
const DELIVERY_TIMEOUT_MS = 10_000;

/** Receive and send messages on a topic. */
export function useChat(pubsub: PubSub, topic: string, connected: boolean): Chat {
  const [messages, setMessages] = useState<ChatMessage[]>([]);
  const pending = useRef(new Map<string, { delivered: () => void; failed: (reason: Error) => void }>());

  useEffect(() => {
    const subscription = pubsub.subscribe({ topics: topic }).subscribe({
      next: (data) => {
        if (!isChatMessage(data)) return;
        setMessages((before) => [...before.filter(({ id }) => id !== data.id), data].slice(-MAX_MESSAGES));
        pending.current.get(data.id)?.delivered();
      },
    });
    return () => subscription.unsubscribe();
  }, [pubsub, topic]);

  useEffect(() => {
    if (connected) return;
    const reason = new Error(`the connection was closed. You may not be allowed to publish to “${topic}”.`);
    pending.current.forEach(({ failed }) => failed(reason));
  }, [connected, topic]);

  /** Amplify does not report whether a message was published, so it counts as delivered when it is received. */
  const send = async (from: string, msg: string): Promise<void> => {
    const id = crypto.randomUUID();
    const delivery = new Promise<void>((delivered, failed) => {
      pending.current.set(id, { delivered, failed });
      setTimeout(() => failed(new Error('AWS IoT did not confirm the message in time.')), DELIVERY_TIMEOUT_MS);
    });
    try {
      await Promise.all([delivery, pubsub.publish({ topics: topic, message: { id, from, msg } })]);
    } finally {
      pending.current.delete(id);
    }
  };

  return { messages, send };
}

function isChatMessage(data: object): data is ChatMessage {
  return ['id', 'from', 'msg'].every((key) => typeof (data as Record<string, unknown>)[key] === 'string');
}
