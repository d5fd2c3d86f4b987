import type { Clock } from "@wrenn/core";

/** A certificate that was revoked elsewhere is accepted for no longer than this. */
const FRESH_MS = 5000;

interface Answer {
  readonly askedAt: number;
  readonly isAccepted: Promise<boolean>;
}

/**
 * The same judgement of certificates, which asks once for the many connections that clients of ports open. Only that one is accepted is
 * remembered, and not for long; refusals and failures are asked for again.
 */
export function rememberAccepted(
  accepts: (fingerprint: string) => Promise<boolean>,
  clock: Clock,
): (fingerprint: string) => Promise<boolean> {
  const answers = new Map<string, Answer>();
  return async (fingerprint) => {
    const now = clock.monotonic();
    for (const [known, { askedAt }] of answers) if (now - askedAt >= FRESH_MS) answers.delete(known);
    const known = answers.get(fingerprint);
    if (known) return await known.isAccepted;
    const answer: Answer = { askedAt: now, isAccepted: accepts(fingerprint) };
    answers.set(fingerprint, answer);
    const forget = (): void => {
      if (answers.get(fingerprint) === answer) answers.delete(fingerprint);
    };
    try {
      const isAccepted = await answer.isAccepted;
      if (!isAccepted) forget();
      return isAccepted;
    } catch (error) {
      forget();
      throw error;
    }
  };
}
