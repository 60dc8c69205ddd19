import { useEffect, useState } from 'react';
import { FIRST_DELAY_MS, longer, spread } from './delays';
import { identify, type Identified } from './diagnose';

/** Ask Amazon Cognito who the signed-in user is, until it says: client ids and topics of one's own begin with that. */
export function useIdentity(): Identified | undefined {
  const [identified, setIdentified] = useState<Identified>();

  useEffect(() => {
    let ended = false;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async (delay: number) => {
      const answer = await identify();
      if (ended) return;
      setIdentified(answer);
      if ('diagnosis' in answer) timer = setTimeout(() => void ask(longer(delay)), spread(delay));
    };
    void ask(FIRST_DELAY_MS);
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, []);

  return identified;
}
