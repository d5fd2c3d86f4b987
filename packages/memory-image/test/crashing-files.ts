import type { StoreFile, StoreFiles } from "../src/store-files.ts";

interface Node {
  bytes: Buffer;
  durable: Buffer;
}

/** Thrown at the operation where the double stops the world. */
export class Crash extends Error {}

/** Files in memory that forget on `crash` what was not synced, and can stop at any operation. */
export class CrashingFiles implements StoreFiles {
  #names = new Map<string, Node>();
  #durableNames = new Map<string, Node>();
  #untilCrash = Infinity;

  crashAfter(operations: number): void {
    this.#untilCrash = operations;
  }

  /** Power comes back: only what was synced is there. */
  restart(): void {
    this.#untilCrash = Infinity;
    for (const node of this.#durableNames.values()) node.bytes = Buffer.from(node.durable);
    this.#names = new Map(this.#durableNames);
  }

  /** Flips one bit of a file, as a bad disk would. */
  damage(name: string, at: number): void {
    const node = this.#node(name);
    node.bytes[at] = (node.bytes[at] ?? 0) ^ 1;
  }

  async create(name: string): Promise<StoreFile> {
    this.#step();
    const node: Node = { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
    this.#names.set(name, node);
    return {
      write: async (bytes, position) => {
        this.#step();
        const length = Math.max(node.bytes.length, position + bytes.length);
        const grown = Buffer.alloc(length);
        node.bytes.copy(grown);
        grown.set(bytes, position);
        node.bytes = grown;
      },
      sync: async () => {
        this.#step();
        node.durable = Buffer.from(node.bytes);
      },
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step();
    this.#names.set(to, this.#node(from));
    this.#names.delete(from);
  }

  async syncDirectory(): Promise<void> {
    this.#step();
    this.#durableNames = new Map(this.#names);
  }

  async list(): Promise<readonly string[]> {
    return [...this.#names.keys()];
  }

  async remove(name: string): Promise<void> {
    this.#step();
    this.#names.delete(name);
  }

  async size(name: string): Promise<number> {
    return this.#node(name).bytes.length;
  }

  async read(name: string, offset: number, length: number): Promise<Buffer> {
    return Buffer.from(this.#node(name).bytes.subarray(offset, offset + length));
  }

  #node(name: string): Node {
    const node = this.#names.get(name);
    if (node === undefined) throw new Error(`no file ${name}`);
    return node;
  }

  #step(): void {
    if (this.#untilCrash <= 0) throw new Crash("crash");
    this.#untilCrash -= 1;
  }
}
