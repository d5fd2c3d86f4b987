import { byteString } from "./byte-string.ts";
import { paxNumber, paxTime } from "./pax-records.ts";
import type { PaxRecord } from "./pax-records.ts";
import { checkPieces, oldSparseSize, sparsePiecesOf } from "./sparse-map.ts";
import type { SparsePiece, TarEntry, TarEntryType, Timestamp } from "./tar-entry.ts";
import { TarError } from "./tar-error.ts";
import type { HeaderFields } from "./tar-header.ts";

/** A file of more bytes, most of them zeros that are not stored, has no place on any disk here. */
const MAX_FILE_BYTES = 2 ** 40;
/** Linux has 32 bits for ids, and the last one is none. */
const MAX_ID = 2 ** 32 - 2;
/** What ext4 can store. */
const MIN_SECONDS = -(2 ** 31);
const MAX_SECONDS = 2 ** 34 - 2 ** 31 - 1;
const XATTR = "SCHILY.xattr.";

const TYPES: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hard-link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  // Contiguous files of systems that had them; others read them as files (pax specification, "ustar Interchange Format").
  "7": "file",
  S: "file",
};

/** Collects what the header blocks of one member say of it. */
export class MemberBuilder {
  #header: HeaderFields | undefined;
  #type: TarEntryType = "file";
  #longName: string | undefined;
  #longTarget: string | undefined;
  #records: readonly PaxRecord[] | undefined;
  #values: ReadonlyMap<string, Buffer> = new Map();
  #pieces: SparsePiece[] | undefined;
  #size: number | undefined;

  /** Whether nothing was said yet. */
  get isEmpty(): boolean {
    return this.#longName === undefined && this.#longTarget === undefined && this.#records === undefined;
  }

  setLongName(name: string): void {
    this.#longName = name;
  }

  setLongTarget(target: string): void {
    this.#longTarget = target;
  }

  setRecords(records: readonly PaxRecord[]): void {
    this.#records = records;
    this.#values = new Map(records.filter(([, value]) => value.length > 0));
  }

  /** @throws TarError where the type is unknown. */
  setHeader(header: HeaderFields): void {
    this.#header = header;
    const type = TYPES[header.flag];
    if (type === undefined)
      throw new TarError(`members of the type ${JSON.stringify(header.flag)} are unknown`, this.name);
    // Directories had no type before POSIX.
    this.#type = header.flag === "\0" && this.name.endsWith("/") ? "directory" : type;
    const version = [this.#number("GNU.sparse.major"), this.#number("GNU.sparse.minor")];
    if (version[0] === undefined) this.#readHeaderMap();
    else if (version[0] !== 1 || version[1] !== 0)
      throw new TarError(`sparse files of version ${version.join(".")} are unknown`, this.name);
    else this.#size = this.#number("GNU.sparse.realsize");
  }

  get name(): string {
    return (
      this.#value("GNU.sparse.name") ?? this.#value("path") ?? this.#longName ?? this.#header?.name ?? ""
    );
  }

  get isOldSparse(): boolean {
    return this.#header?.flag === "S";
  }

  get hasMapInContent(): boolean {
    return this.#type === "file" && this.#values.has("GNU.sparse.major");
  }

  get pieceCount(): number {
    return this.#pieces?.length ?? 0;
  }

  /** Bytes that follow the headers. Only files have any, whatever other members say. @throws TarError */
  get stored(): number {
    if (this.#type !== "file") return 0;
    const stored = this.#number("size") ?? this.#header?.size ?? 0;
    if (stored < 0) throw new TarError("the size of a file is negative", this.name);
    return stored;
  }

  /** @param first - the block with the size of the whole file. */
  addOldPieces(pieces: readonly SparsePiece[], first?: Buffer): void {
    if (first) this.#size = oldSparseSize(first);
    (this.#pieces ??= []).push(...pieces);
  }

  setPieces(pieces: readonly SparsePiece[]): void {
    this.#pieces = [...pieces];
  }

  /** @throws TarError where a field is out of its range. */
  build({ offset, stored }: { readonly offset: number; readonly stored: number }): TarEntry {
    const header = this.#header;
    if (!header) throw new Error("a member has no header");
    const size = this.#pieces ? (this.#size ?? stored) : stored;
    if (size > MAX_FILE_BYTES) throw new TarError(`a file is larger than ${MAX_FILE_BYTES} bytes`, this.name);
    return {
      type: this.#type,
      name: this.#withoutNul(this.name),
      target: this.#withoutNul(this.#value("linkpath") ?? this.#longTarget ?? header.target),
      mode: header.mode & 0o7777,
      uid: this.#id(this.#number("uid") ?? header.uid),
      gid: this.#id(this.#number("gid") ?? header.gid),
      mtime: this.#time(header),
      device: { major: header.major, minor: header.minor },
      xattrs: this.#xattrs(),
      content: {
        offset,
        size,
        pieces: this.#pieces && checkPieces(this.#pieces, { name: this.name, size, stored }),
      },
    };
  }

  /** Maps in extended headers (GNU tar manual, "PAX Format, Versions 0.0 and 0.1"). */
  #readHeaderMap(): void {
    if (!this.#values.has("GNU.sparse.numblocks") && !this.#values.has("GNU.sparse.map")) return;
    const map = this.#value("GNU.sparse.map");
    const listed = (this.#records ?? [])
      .filter(([keyword]) => keyword === "GNU.sparse.offset" || keyword === "GNU.sparse.numbytes")
      .map(([, value]) => byteString(value));
    const numbers = map === undefined ? listed : map.split(",");
    if (!numbers.every((number) => /^\d{1,15}$/.test(number)))
      throw new TarError("the map of a sparse file has no number", this.name);
    this.#pieces = [...sparsePiecesOf(numbers.map(Number))];
    this.#size = this.#number("GNU.sparse.size");
  }

  #time(header: HeaderFields): Timestamp {
    const value = this.#values.get("mtime");
    const { seconds, nanoseconds } =
      value === undefined ? { seconds: header.mtime, nanoseconds: 0 } : paxTime(value, "mtime");
    return { seconds: Math.max(MIN_SECONDS, Math.min(MAX_SECONDS, seconds)), nanoseconds };
  }

  #xattrs(): ReadonlyMap<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const [keyword, value] of this.#values)
      if (keyword.startsWith(XATTR)) found.set(keyword.slice(XATTR.length), Buffer.from(value));
    return found;
  }

  #id(id: number): number {
    if (id < 0 || id > MAX_ID) throw new TarError(`${id} is not an id of a user or group`, this.name);
    return id;
  }

  #withoutNul(text: string): string {
    if (text.includes("\0")) throw new TarError("a name has a NUL", this.name);
    return text;
  }

  #value(keyword: string): string | undefined {
    const value = this.#values.get(keyword);
    return value && byteString(value);
  }

  #number(keyword: string): number | undefined {
    const value = this.#values.get(keyword);
    return value && paxNumber(value, keyword);
  }
}
