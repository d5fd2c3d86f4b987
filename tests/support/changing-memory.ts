import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "@wrenn/core/testing";
import type { ApiCaller } from "./api-caller.ts";

/** A program in a capsule whose memory changes when a test asks for it, and which says what all of it is. */
export class ChangingMemory {
  /** A server that is started again has another address. */
  readonly #api: () => ApiCaller;
  readonly #id: string;
  #signals = 1;
  #digest = "";

  private constructor(api: () => ApiCaller, id: string) {
    this.#api = api;
    this.#id = id;
  }

  static async start(api: () => ApiCaller, id: string, seed: number): Promise<ChangingMemory> {
    const program = await readFile(join(import.meta.dirname, "guest/changing-memory.py"), "utf8");
    const { status } = await api().exec(id, "python3", ["-c", program, String(seed)], { background: true });
    assert.equal(status, 202);
    const memory = new ChangingMemory(api, id);
    memory.#digest = await memory.#read();
    return memory;
  }

  /** Changes pages of it. */
  async change(): Promise<void> {
    const before = this.#digest;
    this.#digest = await this.#signal("USR1");
    assert.notEqual(this.#digest, before, "the memory is another one");
  }

  /** Fails unless every byte is as it was after the last change. */
  async check(): Promise<void> {
    assert.equal(await this.#signal("USR2"), this.#digest, "the memory is what it was");
  }

  async #signal(name: string): Promise<string> {
    this.#signals++;
    await this.#api().shell(this.#id, `pkill -${name} -f /dev/shm/digest.new`);
    return await this.#read();
  }

  async #read(): Promise<string> {
    return await eventually(`the program has said ${this.#signals} times what its memory is`, async () => {
      const { stdout } = await this.#api().shell(this.#id, "cat /dev/shm/digest 2>/dev/null || true");
      const [signals, digest] = stdout.split(" ");
      return Number(signals) === this.#signals ? digest : undefined;
    });
  }
}
