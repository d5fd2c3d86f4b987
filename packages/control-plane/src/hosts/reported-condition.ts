import type { CapsuleChange, CapsuleRow } from "@wrenn/database";
import type { CapsuleStatus } from "@wrenn/protocol";

/** How the guest of a running capsule is. */
export type Condition = NonNullable<CapsuleChange["condition"]>;

/** What a host says about the guest of a running capsule; what it does not know, or is of no earlier release, is absent. */
export function conditionOf({ health, fullDisk, outOfMemory }: CapsuleStatus): Condition {
  return {
    ...(health === undefined ? {} : { health: health === "ok" ? null : health }),
    ...(fullDisk === undefined ? {} : { full_disk: nameOf(fullDisk) }),
    ...(outOfMemory === undefined
      ? {}
      : {
          out_of_memory: {
            at: outOfMemory.at,
            kills: outOfMemory.kills,
            process: outOfMemory.process,
            pid: outOfMemory.pid,
            memory_bytes: outOfMemory.memoryBytes,
          },
        }),
  };
}

/** Whether a row says what a host says. Memory that was full earlier than the row knows is no news: a capsule that was taken back. */
export function saysCondition(
  row: CapsuleRow,
  { health, full_disk: disk, out_of_memory: memory }: Condition,
): boolean {
  return (
    (health === undefined || health === row.health) &&
    (disk === undefined || disk === row.full_disk) &&
    (!memory || memory.at <= (row.out_of_memory?.at ?? 0))
  );
}

/** A condition in one word, which differs when it does. */
export function conditionKey({ health, full_disk: disk, out_of_memory: memory }: Condition): string {
  return [health ?? "", disk ?? "", memory?.at ?? ""].join(" ");
}

function nameOf(fullDisk: NonNullable<CapsuleStatus["fullDisk"]>): CapsuleRow["full_disk"] {
  const has = (what: "space" | "files"): boolean => fullDisk.includes(what);
  if (has("space")) return has("files") ? "space,files" : "space";
  return has("files") ? "files" : null;
}
