import type { CapsuleInfo, CreateProgress } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { sizeText } from "../output/describe-capsule.ts";
import { renderDetails } from "../output/details.ts";
import { durationText } from "../output/duration-text.ts";
import { sizeText as byteText } from "../output/size-text.ts";

/** Shows all that the server says of a capsule. */
export async function inspect(context: Context, reference: string): Promise<void> {
  const capsule = await context.capsule(reference);
  const info = await capsule.info({ signal: context.signal });
  context.output.data(info, () => renderDetails(rowsOf(info)));
}

function copyText({ doneBytes, totalBytes }: CreateProgress): string {
  const total = totalBytes === 0 ? "" : `: ${byteText(doneBytes)} of ${byteText(totalBytes)}`;
  return `a copy of the template${total}`;
}

function rowsOf(info: CapsuleInfo): readonly (readonly [string, string | undefined])[] {
  const { idleTimeoutMs, maxLifetimeMs, memoryKept } = info;
  return [
    ["id", info.id],
    ["name", info.name],
    ["status", info.status],
    ["health", info.health?.replace("_", " ")],
    ["problem", info.problem],
    ["template", info.template],
    ["waits for", info.progress && copyText(info.progress)],
    ["cpus", String(info.vcpus)],
    ["memory", sizeText(info.memoryMib)],
    ["disk", `${sizeText(info.diskMib)}${info.diskFull ? " (full)" : ""}`],
    ["idle time-out", idleTimeoutMs === 0 ? "none" : durationText(idleTimeoutMs)],
    ["lifetime", maxLifetimeMs === undefined ? "no limit" : durationText(maxLifetimeMs)],
    ["ends at", info.lifetimeEndsAt?.toISOString()],
    ["on lifetime end", info.onLifetimeEnd],
    ["auto-resume", info.autoResume ? "yes" : "no"],
    ["memory kept", memoryKept === undefined ? undefined : memoryKept ? "yes" : "no"],
    ["user", info.user ?? "root"],
    ["directory", info.cwd],
    ["environment", info.envNames?.join(", ")],
    ["host address", info.hostIp],
    ["created", info.createdAt.toISOString()],
    ["started", info.startedAt?.toISOString()],
    ["last active", info.lastActiveAt?.toISOString()],
    ["disk at boot", info.diskAtBoot],
    ...Object.entries(info.metadata).map(([name, value]) => [`label ${name}`, value] as const),
  ];
}
