import type { LifetimeEnd } from "@wrenn/sdk";
import { createCapsule } from "../capsules/create-capsule.ts";
import type { Context } from "../context.ts";

export interface CreateVerbOptions {
  readonly template: string;
  readonly name?: string;
  readonly vcpus?: number;
  /** MiB. */
  readonly memory?: number;
  /** MiB. */
  readonly disk?: number;
  /** Milliseconds. */
  readonly idleTimeout?: number;
  /** Milliseconds. */
  readonly maxLifetime?: number;
  readonly onLifetimeEnd?: string;
  readonly autoResume?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly cwd?: string;
  readonly label?: Readonly<Record<string, string>>;
}

/** Creates a capsule and prints its id once it runs. An interrupt removes it. */
export async function create(context: Context, options: CreateVerbOptions): Promise<void> {
  const capsule = await createCapsule(context, {
    template: options.template,
    name: options.name,
    vcpus: options.vcpus,
    memoryMib: options.memory,
    diskMib: options.disk,
    idleTimeoutMs: options.idleTimeout,
    maxLifetimeMs: options.maxLifetime,
    onLifetimeEnd: options.onLifetimeEnd as LifetimeEnd | undefined,
    autoResume: options.autoResume,
    envs: options.env,
    user: options.user,
    cwd: options.cwd,
    metadata: options.label,
  });
  await context.remember(capsule.id);
  context.output.data(capsule.lastInfo, () => `${capsule.id}\n`);
}
