import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { KeyedQueue } from "@wrenn/core";
import type { TemplatePart } from "@wrenn/protocol";
import { writeFileAtomic } from "@wrenn/system";
import { ContentHash, readBlocks } from "./template-blocks.ts";
import type { MapFile } from "./template-blocks.ts";

/** What a file has, whatever its name and its holes. */
export type PartContent = Omit<TemplatePart, "role">;

interface StoredContent extends PartContent {
  readonly modifiedMs: number;
}

/** Digests of files that do not change. Each is computed once and kept beside its file. */
export class ContentDigests {
  readonly #map: MapFile;
  readonly #queue = new KeyedQueue();

  constructor(map: MapFile) {
    this.#map = map;
  }

  /** @throws system errors, `ENOENT` for a file that is gone; what mapping the file throws. */
  async of(path: string, signal: AbortSignal): Promise<PartContent> {
    return await this.#queue.run(path, async () => {
      const { size, mtimeMs } = await stat(path);
      const record = join(dirname(path), `.content-${basename(path)}`);
      const known = await readStored(record);
      if (known?.sizeBytes === size && known.modifiedMs === mtimeMs) return contentOf(known);
      const hash = new ContentHash();
      let dataBytes = 0;
      for await (const block of readBlocks(path, this.#map, 0, signal)) {
        hash.add(block);
        dataBytes += block.bytes.length;
      }
      const content = { digest: hash.end(size), sizeBytes: size, dataBytes };
      await writeFileAtomic(record, `${JSON.stringify({ ...content, modifiedMs: mtimeMs })}\n`);
      return content;
    });
  }
}

async function readStored(record: string): Promise<StoredContent | undefined> {
  try {
    return JSON.parse(await readFile(record, "utf8")) as StoredContent;
  } catch {
    return undefined;
  }
}

function contentOf({ digest, sizeBytes, dataBytes }: StoredContent): PartContent {
  return { digest, sizeBytes, dataBytes };
}
