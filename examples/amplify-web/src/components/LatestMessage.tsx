import type { PubSub } from '@aws-amplify/pubsub';
import { useEffect, useState } from 'react';
import { TOPIC } from '../utils/pubsub';

export function LatestMessage({ pubsub }: { pubsub: PubSub }) {
  const [message, setMessage] = useState('');

  useEffect(() => {
    const subscription = pubsub.subscribe({ topics: TOPIC }).subscribe({
      next: ({ msg }) => {
        if (typeof msg === 'string') setMessage(msg);
      },
    });
    return () => subscription.unsubscribe();
  }, [pubsub]);

  return <>{message}</>;
}
