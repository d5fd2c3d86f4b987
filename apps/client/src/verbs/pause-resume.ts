import type { Context } from "../context.ts";

interface MemoryOption {
  /** False keeps, or boots from, the disk only. */
  readonly memory: boolean;
}

/** Pauses a running capsule. */
export async function pause(context: Context, reference: string, { memory }: MemoryOption): Promise<void> {
  const capsule = await context.capsule(reference);
  const info = await capsule.pause({ ...(memory ? {} : { memory }), signal: context.signal });
  context.output.data(info, () => `${info.id}\n`);
}

/** Resumes a paused capsule. */
export async function resume(context: Context, reference: string, { memory }: MemoryOption): Promise<void> {
  const capsule = await context.capsule(reference);
  const info = await capsule.resume({ ...(memory ? {} : { memory }), signal: context.signal });
  context.output.data(info, () => `${info.id}\n`);
}
