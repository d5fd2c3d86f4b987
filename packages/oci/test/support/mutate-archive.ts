import type { SeededRandom } from "./seeded-random.ts";
import { withSum } from "./tar-builder.ts";

const BLOCK = 512;
/** Where the fields of a header begin. */
const FIELDS: readonly [number, ...number[]] = [
  0, 100, 108, 116, 124, 136, 156, 157, 257, 329, 345, 386, 482, 483,
];
const VALUES: readonly [string, ...string[]] = [
  "../../x\0",
  "/\0",
  ".\0",
  "a/../..\0",
  "\0",
  "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
  "77777777777\0",
  "-1\0",
  "S",
  "x",
  "L",
  "K",
  "g",
  "1",
  "2",
  "3",
  "5",
  "6",
  ".wh..wh..opq\0",
  ".wh.a\0",
  "999999999999",
  "\xff",
  "a\0",
  "bin/x\0",
  "tar\0",
];

/** An archive with some changes: in headers whose check sums are made right again, in contents, in the order of blocks, and in length. */
export function mutateArchive(archive: Buffer, random: SeededRandom): Buffer {
  let bytes = Buffer.from(archive);
  for (let changes = 1 + random.below(5); changes > 0; changes -= 1) {
    const blocks = Math.max(1, Math.floor(bytes.length / BLOCK));
    const block = bytes.subarray(random.below(blocks) * BLOCK).subarray(0, BLOCK);
    switch (random.below(8)) {
      case 0:
        bytes[random.below(bytes.length)] = random.below(256);
        break;
      case 1:
        bytes = bytes.subarray(0, random.below(bytes.length));
        break;
      case 2:
        bytes = Buffer.concat([
          bytes.subarray(0, random.below(blocks) * BLOCK),
          block,
          bytes.subarray(random.below(blocks) * BLOCK),
        ]);
        break;
      default:
        if (block.length < BLOCK) break;
        block.write(random.pick(VALUES), random.pick(FIELDS), "latin1");
        withSum(block);
    }
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}
