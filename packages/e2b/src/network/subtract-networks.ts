const ADDRESS = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/;
const MAX_BITS = 32;

interface Block {
  readonly first: number;
  readonly bits: number;
}

/** Whether a text is an IPv4 address or CIDR block. */
export function isNetwork(text: string): boolean {
  return parse(text) !== undefined;
}

/**
 * The IPv4 networks of `some` without those of `others`, as CIDR blocks.
 *
 * @param some - addresses and CIDR blocks.
 * @param others - texts that are none of these are ignored.
 */
export function subtractNetworks(some: readonly string[], others: readonly string[]): readonly string[] {
  const holes = others.flatMap((text) => parse(text) ?? []);
  return some.flatMap((text) => {
    const block = parse(text);
    return block ? without(block, holes).map(textOf) : [text];
  });
}

function without(block: Block, holes: readonly Block[]): readonly Block[] {
  const inside = holes.filter((hole) => overlaps(block, hole));
  if (inside.length === 0) return [block];
  if (inside.some((hole) => hole.bits <= block.bits)) return [];
  const bits = block.bits + 1;
  const half = 2 ** (MAX_BITS - bits);
  return [
    ...without({ first: block.first, bits }, inside),
    ...without({ first: block.first + half, bits }, inside),
  ];
}

function overlaps(one: Block, other: Block): boolean {
  const size = 2 ** (MAX_BITS - Math.min(one.bits, other.bits));
  return Math.floor(one.first / size) === Math.floor(other.first / size);
}

function parse(text: string): Block | undefined {
  const [, ...parts] = ADDRESS.exec(text) ?? [];
  if (parts.length === 0) return undefined;
  const octets = parts.slice(0, 4).map(Number);
  const bits = Number(parts[4] ?? MAX_BITS);
  if (octets.some((octet) => octet > 255) || bits > MAX_BITS) return undefined;
  const address = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (MAX_BITS - bits);
  return { first: Math.floor(address / size) * size, bits };
}

function textOf({ first, bits }: Block): string {
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256);
  return `${octets.join(".")}/${bits}`;
}
