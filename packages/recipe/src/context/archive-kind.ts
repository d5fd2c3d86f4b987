/** Archives that ADD unpacks, by the form of their bytes. */
export type ArchiveKind = "tar" | "gzip" | "bzip2" | "xz" | "zstd";

const MAGIC: readonly (readonly [ArchiveKind, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/**
 * What a file that ADD copies may be, by its first 512 bytes. Whether a compressed file has an archive in it shows when it is unpacked.
 *
 * @returns undefined for a file that is copied as it is.
 */
export function archiveKindOf(head: Uint8Array): ArchiveKind | undefined {
  const compressed = MAGIC.find(([, magic]) => magic.every((byte, at) => head[at] === byte));
  if (compressed !== undefined) return compressed[0];
  return hasTarChecksum(head) ? "tar" : undefined;
}

/** The first block of a tar archive has the sum of its bytes, with blanks in place of the sum itself. */
function hasTarChecksum(head: Uint8Array): boolean {
  if (head.length < 512) return false;
  const block = head.subarray(0, 512);
  const said = Number.parseInt(
    new TextDecoder().decode(block.subarray(148, 156)).replaceAll("\0", " ").trim(),
    8,
  );
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  // An empty block has no name, and is the end of an archive.
  return said === sum && block[0] !== 0;
}
