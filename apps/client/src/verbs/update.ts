import type { LifetimeEnd } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";

export interface UpdateVerbOptions {
  /** False removes it. */
  readonly name?: string | false;
  /** Milliseconds. */
  readonly idleTimeout?: number;
  /** Milliseconds. */
  readonly maxLifetime?: number;
  readonly onLifetimeEnd?: string;
  readonly autoResume?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly removeLabel?: readonly string[];
}

/** Changes settings of a capsule: all that are named, or none. */
export async function update(context: Context, reference: string, options: UpdateVerbOptions): Promise<void> {
  const { label = {}, removeLabel = [], name, onLifetimeEnd } = options;
  const metadata: Record<string, string | null> = { ...label };
  for (const removed of removeLabel) metadata[removed] = null;
  const changes = {
    name: name === false ? null : name,
    idleTimeoutMs: options.idleTimeout,
    maxLifetimeMs: options.maxLifetime,
    onLifetimeEnd: onLifetimeEnd as LifetimeEnd | undefined,
    autoResume: options.autoResume,
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
  if (Object.values(changes).every((value) => value === undefined))
    throw new ClientError(
      "usage",
      "nothing_to_change",
      "no setting is named that could change",
      "`wrenn update --help` lists them.",
    );
  const capsule = await context.capsule(reference);
  const info = await capsule.update({ ...changes, signal: context.signal });
  context.output.data(info, () => `${info.id}\n`);
}
