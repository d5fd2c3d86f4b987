import { WrennError } from "@wrenn/core";
import type { TemplateFacts } from "@wrenn/protocol";
import type { FakeFiles } from "./fake-files.ts";

interface FakeMoment {
  readonly shape: Pick<TemplateFacts, "vcpus" | "memoryMib">;
  readonly memory: boolean;
  readonly files: FakeFiles;
}

/** Moments of capsules that a fake host has kept. */
export class FakeMoments {
  readonly #kept = new Map<string, FakeMoment>();

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  /** One that is there already stays. */
  keep(key: string, moment: FakeMoment): void {
    if (!this.#kept.has(key)) this.#kept.set(key, moment);
  }

  /** @throws WrennError `moment_not_found`. */
  require(key: string): FakeMoment {
    const moment = this.#kept.get(key);
    if (!moment) throw new WrennError("moment_not_found", {});
    return moment;
  }

  drop(keys: readonly string[]): void {
    for (const key of keys) this.#kept.delete(key);
  }
}
