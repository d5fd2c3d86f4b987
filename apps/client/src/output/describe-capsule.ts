import type { CapsuleInfo } from "@wrenn/sdk";
import type { Column } from "./table.ts";

const MINUTE = 60_000;
const UNITS = [
  [24 * 60 * MINUTE, "d"],
  [60 * MINUTE, "h"],
  [MINUTE, "min"],
  [1000, "s"],
] as const;

/** How long ago, in one unit: `3 min`. */
export function ageText(since: Date, now: number): string {
  const ms = Math.max(0, now - since.getTime());
  const [unit, name] = UNITS.find(([size]) => ms >= size) ?? [1000, "s"];
  return `${Math.floor(ms / unit)} ${name}`;
}

/** `512 MiB`, `2 GiB`. */
export function sizeText(mib: number): string {
  return mib >= 1024 && mib % 512 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** `running`, or `running (not answering)` while the guest agent does not answer. */
function statusText({ status, health }: CapsuleInfo): string {
  return health === "not_answering" ? `${status} (not answering)` : status;
}

/** The columns of `wrenn ps`. */
export function capsuleColumns(now: number): readonly Column<CapsuleInfo>[] {
  return [
    { title: "id", value: ({ id }) => id },
    { title: "name", value: ({ name = "" }) => name },
    { title: "status", value: statusText },
    { title: "template", value: ({ template }) => template },
    { title: "cpus", value: ({ vcpus }) => String(vcpus), isNumber: true },
    { title: "memory", value: ({ memoryMib }) => sizeText(memoryMib), isNumber: true },
    { title: "age", value: ({ createdAt }) => ageText(createdAt, now) },
  ];
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `0 B`, `1.5 MiB`: three digits at most. */
export function bytesText(bytes: number): string {
  let at = 0;
  let size = bytes;
  while (size >= 1000 && at < BYTE_UNITS.length - 1) {
    size /= 1024;
    at++;
  }
  return `${at === 0 || size >= 100 ? Math.round(size) : Number(size.toPrecision(2))} ${BYTE_UNITS[at]}`;
}
