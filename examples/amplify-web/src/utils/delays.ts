/** Delays between attempts, each twice as long as the previous one up to a maximum. */

export const FIRST_DELAY_MS = 2_000;
const MAX_DELAY_MS = 15_000;

export const doubled = (delay: number) => Math.min(delay * 2, MAX_DELAY_MS);

/** Return a random delay between half and all of the delay, so that browsers do not reconnect at the same time. */
export const jittered = (delay: number) => delay * (0.5 + Math.random() / 2);
