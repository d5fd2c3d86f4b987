import { WrennError } from "@wrenn/core";

/** Settles as `work` does, or rejects with `machine_died` as soon as the machine is dead. */
export async function orDeath<T>(death: Promise<{ readonly detail: string }>, work: Promise<T>): Promise<T> {
  const died = death.then(({ detail }) => {
    throw new WrennError("machine_died", { problem: detail });
  });
  return await Promise.race([work, died]);
}
