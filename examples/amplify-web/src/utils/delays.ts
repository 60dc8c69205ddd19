/** How long to wait between attempts: the second twice as long, and so on. */

export const FIRST_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 15_000;

export const longer = (delay: number) => Math.min(delay * 2, LONGEST_DELAY_MS);

/** Between half the delay and all of it, so that browsers do not come back all at once. */
export const spread = (delay: number) => delay * (0.5 + Math.random() / 2);
