import { useEffect, useState } from 'react';
import { pubsub, TOPIC } from '../utils/pubsub';

export function LatestMessage() {
  const [message, setMessage] = useState('');

  useEffect(() => {
    const subscription = pubsub.subscribe({ topics: TOPIC }).subscribe({
      next: ({ msg }) => {
        if (typeof msg === 'string') setMessage(msg);
      },
    });
    return () => subscription.unsubscribe();
  }, []);

  return <>{message}</>;
}
