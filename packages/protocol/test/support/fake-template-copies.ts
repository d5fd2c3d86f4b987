import { WrennError } from "@wrenn/core";
import { packBlocks, unpackBlocks } from "@wrenn/protocol";
import type {
  TemplateBlock,
  TemplateCopyState,
  TemplateFacts,
  TemplateManifest,
  TemplatePart,
  TemplatePartRange,
} from "@wrenn/protocol";
import { FACTS } from "./fake-templates.ts";
import type { FakeTemplates } from "./fake-templates.ts";

const BLOCKS = 4;
/** What a block of a fake part has. */
export const FAKE_BLOCK_BYTES = 1000;

const part = (role: TemplatePart["role"], digit: string): TemplatePart => ({
  role,
  digest: digit.repeat(64),
  sizeBytes: BLOCKS * FAKE_BLOCK_BYTES,
  dataBytes: BLOCKS * FAKE_BLOCK_BYTES,
});

/** Copies of templates of a fake host: parts of a few blocks, which say nothing. */
export class FakeTemplateCopies {
  readonly #templates: FakeTemplates;
  /** By key: how many blocks of each part have arrived. */
  readonly #arrived = new Map<string, { readonly manifest: TemplateManifest; blocks: Map<string, number> }>();
  readonly #writing = new Set<string>();
  /** What each block that it gives waits for. */
  gate: () => Promise<void> = async () => undefined;
  /** What a copy to this host is refused with. */
  refusal: WrennError | undefined;
  /** Keys of the copies that were begun here. */
  readonly begun: string[] = [];
  /** Blocks that arrived here. */
  blocks = 0;

  constructor(templates: FakeTemplates) {
    this.#templates = templates;
  }

  describe(key: string): TemplateManifest {
    const template = this.#templates.get(key);
    if (!template) throw new WrennError("template_not_found", { template: key });
    const { vcpus, memoryMib } = template;
    return {
      key,
      architecture: FACTS.architecture,
      vcpus,
      memoryMib,
      diskMib: 5120,
      frozenProcesses: true,
      ownPrograms: false,
      hypervisor: "fake",
      metadata: {},
      parts: [part("image", "a"), part("disk", "b")],
    };
  }

  read({ key, digest, fromBlock }: TemplatePartRange): AsyncIterable<Uint8Array> {
    const { parts } = this.describe(key);
    if (!parts.some((one) => one.digest === digest))
      throw new WrennError("template_not_found", { template: key });
    return packBlocks(this.#blocksFrom(fromBlock));
  }

  async *#blocksFrom(fromBlock: number): AsyncGenerator<TemplateBlock> {
    for (let index = fromBlock; index < BLOCKS; index++) {
      await this.gate();
      yield { index, bytes: Buffer.alloc(FAKE_BLOCK_BYTES, index) };
    }
  }

  begin(manifest: TemplateManifest): TemplateCopyState {
    if (this.refusal) throw this.refusal;
    const { key } = manifest;
    if (this.#templates.get(key)) return { isReady: true, missing: [] };
    const known = this.#arrived.get(key);
    if (!known) this.begun.push(key);
    const copy = known ?? { manifest, blocks: new Map<string, number>() };
    this.#arrived.set(key, copy);
    const missing = manifest.parts.flatMap(({ digest }) => {
      const fromBlock = copy.blocks.get(digest) ?? 0;
      return fromBlock < BLOCKS ? [{ digest, fromBlock }] : [];
    });
    return { isReady: false, missing };
  }

  async write(
    { key, digest, fromBlock }: TemplatePartRange,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    const copy = this.#require(key);
    if (this.#writing.has(key) || fromBlock !== (copy.blocks.get(digest) ?? 0))
      throw new WrennError("template_copy_busy", { template: key });
    this.#writing.add(key);
    try {
      for await (const { index } of unpackBlocks(content)) {
        signal.throwIfAborted();
        this.blocks += 1;
        copy.blocks.set(digest, index + 1);
      }
    } finally {
      this.#writing.delete(key);
    }
  }

  finish(key: string): TemplateFacts {
    const known = this.#templates.get(key);
    if (known) return known;
    const { manifest } = this.#require(key);
    if (this.begin(manifest).missing.length > 0)
      throw new WrennError("template_copy_invalid", { template: key, problem: "the disk is not complete" });
    this.#arrived.delete(key);
    return this.#templates.make(key, manifest);
  }

  abandon(key: string): void {
    this.#arrived.delete(key);
  }

  #require(key: string) {
    const copy = this.#arrived.get(key);
    if (!copy) throw new WrennError("template_not_found", { template: key });
    return copy;
  }
}
