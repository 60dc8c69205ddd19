import { CONNECTION_STATE_CHANGE, ConnectionState } from '@aws-amplify/pubsub';
import { Hub } from 'aws-amplify/utils';
import { useEffect, useState } from 'react';
import { diagnose, type Diagnosis, REFUSED_THOUGH_ATTACHED } from './diagnose';
import { pubsub } from './pubsub';
import { selfAttach, type SelfAttachment } from './selfAttach';

export interface Connection {
  /** Messages go through. */
  connected: boolean;
  /** Why not, once that is known. */
  diagnosis: Diagnosis | undefined;
  /** What self-attach answered to the latest refusal. */
  selfAttachment: SelfAttachment | undefined;
}

const FIRST_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 15_000;
// A refused topic closes the connection right after it was made; one that lasts is not refused.
const HOLDS_MS = 1_000;

/**
 * Follow Amplify's connection; while there is none, find out why, and connect again as soon as nothing is in the way.
 *
 * Amplify tries again after 5 seconds and then once a minute; this does so within seconds.
 */
export function useConnection(topic: string): Connection {
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
    return recover(topic, setDiagnosis, setSelfAttachment);
  }, [connected, topic]);

  return { connected, diagnosis, selfAttachment };
}

/**
 * Diagnose again and again, and connect when nothing is in the way, until the returned function is called.
 *
 * A refused connection is repaired by self-attach: once, or if it did not help again at the next attempt.
 */
function recover(
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
    schedule(Math.min(delay * 2, LONGEST_DELAY_MS));
  };
  const schedule = (delay: number) => {
    // Between half the delay and all of it, so that browsers do not come back all at once.
    timer = setTimeout(() => void attempt(delay), delay * (0.5 + Math.random() / 2));
  };

  schedule(FIRST_DELAY_MS);
  return () => {
    ended = true;
    clearTimeout(timer);
    attempts.forEach((unsubscribe) => unsubscribe());
  };
}
