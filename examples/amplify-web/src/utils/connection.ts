import { CONNECTION_STATE_CHANGE, ConnectionState, type PubSub } from '@aws-amplify/pubsub';
import { Hub } from 'aws-amplify/utils';
import { useEffect, useState } from 'react';
import { doubled, FIRST_DELAY_MS, jittered } from './delays';
import { diagnose, type Diagnosis, NOT_EFFECTIVE_YET } from './diagnose';
import { selfAttach, type SelfAttachment } from './selfAttach';

export interface Connection {
  /** Whether messages can be sent and received. */
  connected: boolean;
  /** Why there is no connection, if known. */
  diagnosis: Diagnosis | undefined;
  /** The result of self-attach after the last denied connection. */
  selfAttachment: SelfAttachment | undefined;
}

// AWS IoT closes a connection that subscribes to a denied topic. One that lasts this long was not denied.
const STABLE_MS = 1_000;

/**
 * Return the state of Amplify's connection; while there is none, find out why and reconnect.
 *
 * Amplify reconnects after 5 seconds and then once a minute; this hook reconnects within seconds.
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
    const timer = setTimeout(() => setConnected(true), STABLE_MS);
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
 * Diagnose repeatedly, and connect when the diagnosis finds no problem. Stop when the returned function is called.
 *
 * After a denied connection, self-attach is tried until it succeeds.
 */
function recover(
  pubsub: PubSub,
  topic: string,
  setDiagnosis: (diagnosis: Diagnosis | undefined) => void,
  setSelfAttachment: (selfAttachment: SelfAttachment | undefined) => void,
): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout>;
  let selfAttachment: SelfAttachment | undefined;
  const unsubscribes: (() => void)[] = [];

  const attempt = async (delay: number) => {
    const diagnosis = await diagnose(topic);
    if (stopped) return;
    const denied = diagnosis?.cause === 'connect-denied';
    setDiagnosis(denied && selfAttachment?.attached ? NOT_EFFECTIVE_YET : diagnosis);
    if (denied && !selfAttachment?.attached) {
      selfAttachment = await selfAttach();
      if (stopped) return;
      setSelfAttachment(selfAttachment);
      if (selfAttachment?.attached) {
        setDiagnosis(NOT_EFFECTIVE_YET);
        schedule(FIRST_DELAY_MS);
        return;
      }
    }
    if (!diagnosis) {
      // A new subscription makes Amplify connect at once, and restores all previous subscriptions.
      const subscription = pubsub.subscribe({ topics: topic }).subscribe();
      unsubscribes.push(() => subscription.unsubscribe());
    }
    schedule(doubled(delay));
  };
  const schedule = (delay: number) => {
    timer = setTimeout(() => void attempt(delay), jittered(delay));
  };

  schedule(FIRST_DELAY_MS);
  return () => {
    stopped = true;
    clearTimeout(timer);
    unsubscribes.forEach((unsubscribe) => unsubscribe());
  };
}
