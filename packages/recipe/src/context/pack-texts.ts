import { tarEnd, tarHeader, tarPadding } from "./tar-header.ts";

/** A file that stands in a recipe. */
export interface PackedText {
  readonly name: string;
  readonly content: string;
}

/** A tar archive of texts in a directory, as `packSources` makes it of files. */
export async function* packTexts(
  directory: string,
  texts: readonly PackedText[],
  mode: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { name, content } of texts) {
    const bytes = Buffer.from(content);
    const path = `${directory}/${name}`;
    yield tarHeader({ path, type: "file", mode, size: bytes.length, mtimeSec: 0, target: undefined });
    yield bytes;
    yield new Uint8Array(tarPadding(bytes.length));
  }
  await Promise.resolve();
  yield tarEnd();
}
