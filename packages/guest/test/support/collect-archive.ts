import { spawn } from "node:child_process";
import { once } from "node:events";

/** A tar.gz in memory. */
export interface CollectedArchive {
  extract(directory: string): Promise<void>;
  /** The lengths of the names in it, in bytes. */
  names(): Promise<readonly number[]>;
}

/** Reads an archive to its end, which fails when it is not whole. */
export async function collectArchive(bytes: AsyncIterable<Uint8Array>): Promise<CollectedArchive> {
  const archive = Buffer.concat(await Array.fromAsync(bytes));
  return {
    extract: async (directory) => void (await feed(["tar", "-xzf", "-", "-C", directory], archive)),
    names: async () => {
      const script =
        "import json, sys, tarfile; print(json.dumps([len(one.name) for one in tarfile.open(fileobj=sys.stdin.buffer, mode='r|gz')]))";
      return JSON.parse(await feed(["python3", "-c", script], archive)) as readonly number[];
    },
  };
}

async function feed([program = "", ...args]: readonly string[], input: Buffer): Promise<string> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(input);
  const ended = once(child, "close");
  const output = Buffer.concat(await Array.fromAsync(child.stdout as AsyncIterable<Buffer>)).toString();
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`${program} exited with ${code}`);
  return output;
}
