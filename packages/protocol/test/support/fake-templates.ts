import { WrennError } from "@wrenn/core";
import type { CapsuleStatus, HostFacts, TemplateFacts } from "@wrenn/protocol";

export const MINIMAL: TemplateFacts = { name: "minimal", sizeBytes: 1, vcpus: 1, memoryMib: 512 };

export const FACTS: HostFacts = {
  version: "0.0.0",
  architecture: "amd64",
  cpuCores: 8,
  memoryMib: 65_536,
  diskGb: 1000,
  accelerator: "none",
};

/** Templates of a fake host that were made of its capsules. */
export class FakeTemplates {
  readonly #made = new Map<string, TemplateFacts>();

  get(key: string): TemplateFacts | undefined {
    return this.#made.get(key);
  }

  /** @throws WrennError `operation_failed` when the key is taken. */
  make(key: string, { vcpus, memoryMib }: Pick<CapsuleStatus, "vcpus" | "memoryMib">): TemplateFacts {
    if (this.#made.has(key))
      throw new WrennError("operation_failed", { operation: `making template ${key}`, problem: "it exists" });
    const template = { name: key, sizeBytes: 1, vcpus, memoryMib };
    this.#made.set(key, template);
    return template;
  }

  /** @throws WrennError `template_in_use` while one of `capsules` is of the template. */
  delete(key: string, capsules: Iterable<CapsuleStatus>): void {
    const dependants = [...capsules].filter(({ template }) => template === key);
    if (dependants.length > 0)
      throw new WrennError("template_in_use", { dependants: dependants.map(({ id }) => id).join(", ") });
    this.#made.delete(key);
  }
}
