export const GIB = 2 ** 30;

/** Bytes for people, in GiB with one decimal. */
export function inGib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
