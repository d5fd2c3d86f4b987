import { open, rm } from "node:fs/promises";
import { problemOf } from "@wrenn/core";
import { TEMPLATE_BLOCK_BYTES, unpackBlocks } from "@wrenn/protocol";
import type { TemplateBlock, TemplatePart } from "@wrenn/protocol";
import { blockBytes, blockCount, ContentHash, writeBlock } from "./template-blocks.ts";

/** Why content was not taken. */
export type RefusedContent =
  | { readonly kind: "busy" }
  | { readonly kind: "invalid"; readonly problem: string };

/** A file that arrives in blocks, perhaps with interruptions, and is complete when its digest is right. */
export class PartReceiver {
  readonly part: TemplatePart;
  readonly path: string;
  #hash = new ContentHash();
  #nextBlock = 0;
  #blocks = 0;
  #isComplete = false;
  #isWriting = false;

  /** @param path - of a file that does not exist. */
  constructor(part: TemplatePart, path: string) {
    this.part = part;
    this.path = path;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** The first block that has not arrived. */
  get nextBlock(): number {
    return this.#nextBlock;
  }

  /**
   * Takes content from a block on. What is right of it stays, also when the content is cut off.
   *
   * @returns why it was refused, if it was: then nothing of the file is left, unless another caller is sending it.
   * @throws what the content throws; system errors.
   */
  async receive(
    fromBlock: number,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<RefusedContent | undefined> {
    if (this.#isComplete) return undefined;
    if (this.#isWriting || fromBlock !== this.#nextBlock) return { kind: "busy" };
    this.#isWriting = true;
    let problem: string | undefined;
    try {
      problem = await this.#write(content, signal);
      // A file of another receiver may have its name by now.
      signal.throwIfAborted();
      if (problem !== undefined) await this.#discard();
    } finally {
      this.#isWriting = false;
    }
    return problem === undefined ? undefined : { kind: "invalid", problem };
  }

  /** @returns what is wrong with the content. */
  async #write(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string | undefined> {
    const { sizeBytes, digest } = this.part;
    await using file = await open(this.path, this.#nextBlock === 0 ? "w" : "r+", 0o600);
    if (this.#nextBlock === 0) await file.truncate(sizeBytes);
    let isCut = false;
    const onCut = (): void => void (isCut = true);
    try {
      for await (const block of unpackBlocks(watched(content, onCut))) {
        signal.throwIfAborted();
        const problem = this.#problemOf(block);
        if (problem !== undefined) return problem;
        await writeBlock(file, block);
        this.#hash.add(block);
        this.#blocks += 1;
        this.#nextBlock = block.index + 1;
      }
    } catch (error) {
      // What arrived is damaged, unless less arrived than was sent.
      if (isCut || signal.aborted || !isOfContent(error)) throw error;
      return problemOf(error);
    }
    if (this.#hash.end(sizeBytes) !== digest) return `the ${this.part.role} has another digest`;
    await file.datasync();
    this.#isComplete = true;
    return undefined;
  }

  #problemOf({ index, bytes }: TemplateBlock): string | undefined {
    const { role, sizeBytes, dataBytes } = this.part;
    if (index < this.#nextBlock || index >= blockCount(sizeBytes)) return `block ${index} is out of place`;
    if (bytes.length !== blockBytes(index, sizeBytes)) return `block ${index} has ${bytes.length} bytes`;
    if ((this.#blocks + 1) * TEMPLATE_BLOCK_BYTES > roundedUp(dataBytes))
      return `the ${role} is longer than it was described`;
    return undefined;
  }

  async #discard(): Promise<void> {
    this.#hash = new ContentHash();
    this.#nextBlock = 0;
    this.#blocks = 0;
    await rm(this.path, { force: true });
  }
}

/** Errors of the file system are the host's, not the content's. */
function isOfContent(error: unknown): boolean {
  return !(error instanceof Error && "syscall" in error);
}

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / TEMPLATE_BLOCK_BYTES) * TEMPLATE_BLOCK_BYTES;
}

/** Calls `onCut` when the content ends, by an error or before its reader has what it needs. */
async function* watched(content: AsyncIterable<Uint8Array>, onCut: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (error) {
    onCut();
    throw error;
  }
  onCut();
}
