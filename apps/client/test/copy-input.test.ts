import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { copyFromInput } from "../src/copy/standard-streams.ts";

type Target = Parameters<typeof copyFromInput>[1];

/** A capsule whose files are written here, and whose commands hash the last of them. */
class ScriptedCapsule {
  readonly writes: { readonly isStream: boolean; readonly bytes: Buffer }[] = [];
  hashes = 0;

  get target(): Target {
    const files = {
      write: async (path: string, data: Uint8Array | AsyncIterable<Uint8Array>) => {
        const isStream = !(data instanceof Uint8Array);
        const chunks: Uint8Array[] = [];
        if (isStream) for await (const chunk of data) chunks.push(chunk);
        else chunks.push(data);
        const bytes = Buffer.concat(chunks);
        this.writes.push({ isStream, bytes });
        return { path, kind: "file", size: bytes.length };
      },
    };
    const commands = {
      run: async () => {
        this.hashes++;
        const digest = createHash("sha256")
          .update(this.writes.at(-1)?.bytes ?? "")
          .digest("hex");
        return await Promise.resolve({ stdoutBytes: Buffer.from(`${digest}  /x\n`) });
      },
    };
    const capsule = { files, commands } as unknown as Target["capsule"];
    return { capsule, label: "web:/x", path: "/x", user: undefined };
  }
}

async function* inChunks(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    await Promise.resolve();
    yield bytes.subarray(at, at + length);
  }
}

const options = { isVerified: true, signal: AbortSignal.timeout(60_000), onProgress: () => undefined };

test("a short input is sent as bytes, whose digest goes with them, a longer one as a stream that is hashed there", async () => {
  for (const [size, isStream, hashes] of [
    [0, false, 0],
    [1_000_000, false, 0],
    [16 << 20, false, 0],
    [(16 << 20) + 1, true, 1],
    [20_000_000, true, 1],
  ] as const) {
    const scripted = new ScriptedCapsule();
    const bytes = randomBytes(size);
    assert.equal(await copyFromInput(inChunks(bytes, 300_001), scripted.target, options), size);
    assert.deepEqual(
      [scripted.writes.length, scripted.writes[0]?.isStream, scripted.hashes],
      [1, isStream, hashes],
    );
    assert.ok(scripted.writes[0]?.bytes.equals(bytes));
  }
});

test("an input that fails, or is waited for until an abort, writes nothing", async () => {
  const scripted = new ScriptedCapsule();
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from("begin"));
    throw new Error("broken pipe");
  };
  await assert.rejects(copyFromInput(failing(), scripted.target, options), /broken pipe/);
  const stop = new AbortController();
  const silent = async function* (): AsyncGenerator<Uint8Array> {
    stop.abort(new Error("interrupted"));
    await new Promise(() => undefined);
    yield Buffer.of();
  };
  const waiting = copyFromInput(silent(), scripted.target, { ...options, signal: stop.signal });
  await assert.rejects(waiting, /interrupted/);
  assert.deepEqual(scripted.writes, []);
});
