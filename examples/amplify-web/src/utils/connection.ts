import { CONNECTION_STATE_CHANGE, ConnectionState, type PubSub } from '@aws-amplify/pubsub';
import { Hub } from 'aws-amplify/utils';
import { useEffect, useState } from 'react';
import { FIRST_DELAY_MS, longer, spread } from './delays';
import { diagnose, type Diagnosis, REFUSED_THOUGH_ATTACHED } from './diagnose';
import { selfAttach, type SelfAttachment } from './selfAttach';

export interface Connection {
  /** Messages go through. */
  connected: boolean;
  /** Why not, once that is known. */
  diagnosis: Diagnosis | undefined;
  /** What self-attach answered to the latest refusal. */
  selfAttachment: SelfAttachment | undefined;
}

// A refused topic closes the connection right after it was made; one that lasts is not refused.
const HOLDS_MS = 1_000;

/**
 * Follow Amplify's connection; while there is none, find out why, and connect again as soon as nothing is in the way.
 *
 * Amplify tries again after 5 seconds and then once a minute; this does so within seconds.
 */
export function useConnection(pubsub: PubSub, topic: string): Connection {
  const [state, setState] = useState(ConnectionState.Connecting);
  const [connected, setConnected] = useState(false);
  const [diagnosis, setDiagnosis] = useState<Diagnosis>();
  const [selfAttachment, setSelfAttachment] = useState<SelfAttachment>();

  useEffect(
    () =>
      Hub.listen('pubsub', ({ payload }) => {
        if (payload.event === CONNECTION_STATE_CHANGE) {
          setState((payload.data as { connectionState: ConnectionState }).connectionState);
        }
      }),
    [],
  );

  useEffect(() => {
    if (state !== ConnectionState.Connected) {
      setConnected(false);
      return undefined;
    }
    const timer = setTimeout(() => setConnected(true), HOLDS_MS);
    return () => clearTimeout(timer);
  }, [state]);

  useEffect(() => {
    if (connected) {
      setDiagnosis(undefined);
      return undefined;
    }
    setSelfAttachment(undefined);
    return recover(pubsub, topic, setDiagnosis, setSelfAttachment);
  }, [connected, pubsub, topic]);

  return { connected, diagnosis, selfAttachment };
}

/**
 * Diagnose again and again, and connect when nothing is in the way, until the returned function is called.
 *
 * A refused connection is repaired by self-attach: once, or if it did not help again at the next attempt.
 */
function recover(
  pubsub: PubSub,
  topic: string,
  report: (diagnosis: Diagnosis | undefined) => void,
  tell: (answer: SelfAttachment | undefined) => void,
): () => void {
  let ended = false;
  let timer: ReturnType<typeof setTimeout>;
  let answer: SelfAttachment | undefined;
  const attempts: (() => void)[] = [];

  const attempt = async (delay: number) => {
    const diagnosis = await diagnose(topic);
    if (ended) return;
    const refused = diagnosis?.cause === 'connect-refused';
    report(refused && answer?.attached ? REFUSED_THOUGH_ATTACHED : diagnosis);
    if (refused && !answer?.attached) {
      answer = await selfAttach();
      if (ended) return;
      tell(answer);
      if (answer?.attached) {
        report(REFUSED_THOUGH_ATTACHED);
        schedule(FIRST_DELAY_MS);
        return;
      }
    }
    if (!diagnosis) {
      // A new subscription makes Amplify connect at once, and every subscription made before is served again.
      const subscription = pubsub.subscribe({ topics: topic }).subscribe();
      attempts.push(() => subscription.unsubscribe());
    }
    schedule(longer(delay));
  };
  const schedule = (delay: number) => {
    timer = setTimeout(() => void attempt(delay), spread(delay));
  };

  schedule(FIRST_DELAY_MS);
  return () => {
    ended = true;
    clearTimeout(timer);
    attempts.forEach((unsubscribe) => unsubscribe());
  };
}
