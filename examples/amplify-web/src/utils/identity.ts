import { useEffect, useState } from 'react';
import { doubled, FIRST_DELAY_MS, jittered } from './delays';
import { identify, type Identified } from './diagnose';

/** Return the user's identity id, or why there is none; tries until there is one. */
export function useIdentity(): Identified | undefined {
  const [identified, setIdentified] = useState<Identified>();

  useEffect(() => {
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    const attempt = async (delay: number) => {
      const result = await identify();
      if (stopped) return;
      setIdentified(result);
      if ('diagnosis' in result) timer = setTimeout(() => void attempt(doubled(delay)), jittered(delay));
    };
    void attempt(FIRST_DELAY_MS);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, []);

  return identified;
}
