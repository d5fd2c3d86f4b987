import { present } from "../transport/options.ts";
import type { WireObject } from "../wire/api-types.ts";

/** What capsules start from: a disk, or a frozen machine with its memory. Of several versions, the one tagged `default`, else the newest. */
export interface Template {
  readonly name: string;
  /** `base`: a disk. `snapshot`: a machine with running programs, whose sizes are fixed. */
  readonly type: "base" | "snapshot";
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly sizeBytes: number;
  readonly createdAt: Date;
  /** Of the platform: every team may use it. */
  readonly isPlatform: boolean;
  /** Every team may start capsules from it. */
  readonly isPublic: boolean;
  readonly version?: number;
  /** Tags of this version. */
  readonly tags: readonly string[];
  /** What `Capsule.create` takes as `template`. */
  readonly reference: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export function templateOf(wire: WireObject<"Template"> & { readonly reference?: string }): Template {
  return Object.freeze({
    name: wire.name,
    type: wire.type as Template["type"],
    sizeBytes: wire.size_bytes,
    createdAt: new Date(wire.created_at),
    isPlatform: wire.platform,
    isPublic: wire.public,
    tags: Object.freeze([...wire.tags]),
    reference: wire.reference ?? wire.name,
    metadata: Object.freeze({ ...wire.metadata }),
    ...present({ vcpus: wire.vcpus, memoryMib: wire.memory_mb, version: wire.version }),
  });
}
