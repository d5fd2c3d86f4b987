import assert from "node:assert/strict";
import { newId, systemRandom } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import type { CapsuleSpec, HostAgent } from "@wrenn/protocol";

/** An implementation of HostAgent to be tested. */
export interface ContractSubject {
  readonly agent: HostAgent;
  /** Name of a template that it has. */
  readonly template: string;
  /** A directory that each of its capsules has, and in which files may be made. */
  readonly directory: string;
  /** Images that its registries have. */
  readonly image: {
    readonly reference: string;
    /** An import of this one does not end by itself. */
    readonly slowReference: string;
    /** Archive of an image. */
    readonly archive: Uint8Array;
  };
  /** Ends what the subject consists of. */
  close(): Promise<void>;
}

/** A subject and what most tests do with it. */
export class ContractLab {
  readonly subject: ContractSubject;
  readonly signal = AbortSignal.timeout(5 * 60_000);

  constructor(subject: ContractSubject) {
    this.subject = subject;
  }

  get agent(): HostAgent {
    return this.subject.agent;
  }

  spec(change: Partial<CapsuleSpec> = {}): CapsuleSpec {
    return {
      id: newId("capsule", systemRandom),
      template: this.subject.template,
      vcpus: 1,
      memoryMib: 64,
      diskMib: 1024,
      timeoutSec: 0,
      envs: {},
      ...change,
    };
  }

  /** The id of a new capsule, which runs. */
  async capsule(change: Partial<CapsuleSpec> = {}): Promise<string> {
    return (await this.agent.createCapsule(this.spec(change), this.signal)).id;
  }
}

/** Some methods throw, others reject: callers that await see no difference. */
export async function rejects(work: () => unknown, reason: ErrorReason, message?: RegExp): Promise<void> {
  await assert.rejects(
    async () => {
      await work();
    },
    { name: "WrennError", reason, ...(message ? { message } : {}) },
    `${reason} from ${work.toString()}`,
  );
}

export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

export async function* chunks(
  ...parts: readonly (string | Uint8Array | Error)[]
): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}
