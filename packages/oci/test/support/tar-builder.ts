/** A member of an archive that a test makes. It may be as wrong as the test wants it. */
export interface TestMember {
  readonly name: string;
  /** One character of the header; default: a file. */
  readonly flag?: string;
  readonly content?: string | Uint8Array;
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds; default: 1,700,000,000. */
  readonly mtime?: number;
  readonly major?: number;
  readonly minor?: number;
  /** Records of an extended header before the member. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
  /** What the header says in place of the length of the content. */
  readonly size?: number;
  readonly magic?: string;
}

const BLOCK = 512;

export const dir = (name: string, more: Partial<TestMember> = {}): TestMember => ({
  name: `${name}/`,
  flag: "5",
  mode: 0o755,
  ...more,
});
export const file = (
  name: string,
  content: string | Uint8Array = "",
  more: Partial<TestMember> = {},
): TestMember => ({
  name,
  content,
  ...more,
});
export const link = (name: string, target: string, more: Partial<TestMember> = {}): TestMember => ({
  name,
  flag: "2",
  target,
  mode: 0o777,
  ...more,
});
export const hardLink = (name: string, target: string, more: Partial<TestMember> = {}): TestMember => ({
  name,
  flag: "1",
  target,
  ...more,
});
export const removed = (path: string): TestMember => {
  const at = path.lastIndexOf("/") + 1;
  return file(`${path.slice(0, at)}.wh.${path.slice(at)}`);
};
export const opaque = (path: string): TestMember => file(`${path}/.wh..wh..opq`);

/** An archive of these members, with its end. Bytes are as they are: nothing of it goes through another tool. */
export function tarOf(members: readonly TestMember[]): Buffer {
  return Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(2 * BLOCK)]);
}

/** The blocks of one member. */
export function memberBlocks(member: TestMember): readonly Buffer[] {
  const content = padded(Buffer.from(member.content ?? ""));
  const length = Buffer.from(member.content ?? "").length;
  const needs = {
    ...(Buffer.byteLength(member.name) > 100 ? { path: member.name } : {}),
    ...(Buffer.byteLength(member.target ?? "") > 100 ? { linkpath: member.target ?? "" } : {}),
    ...member.pax,
  };
  const records = Buffer.concat(Object.entries(needs).map(([keyword, value]) => paxRecord(keyword, value)));
  const extended =
    records.length === 0
      ? []
      : [headerBlock({ name: "PaxHeader", flag: "x", size: records.length }), padded(records)];
  return [...extended, headerBlock({ size: length, ...member }), content];
}

export function paxRecord(keyword: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${keyword}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export function headerBlock(member: Omit<TestMember, "content">): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, "0").slice(-digits), at, digits, "latin1");
  };
  block.write(member.name, 0, 100);
  octal(member.mode ?? 0o644, 100, 7);
  octal(member.uid ?? 0, 108, 7);
  octal(member.gid ?? 0, 116, 7);
  octal(member.size ?? 0, 124, 11);
  octal(member.mtime ?? 1_700_000_000, 136, 11);
  block.write(member.flag ?? "0", 156, "latin1");
  block.write(member.target ?? "", 157, 100);
  block.write(member.magic ?? "ustar\u000000", 257, "latin1");
  octal(member.major ?? 0, 329, 7);
  octal(member.minor ?? 0, 337, 7);
  return withSum(block);
}

/** The block with the right check sum. */
export function withSum(block: Buffer): Buffer {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}
