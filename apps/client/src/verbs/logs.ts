import type { LogEntry } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { escapeText } from "../output/escape-text.ts";

export interface LogsVerbOptions {
  readonly follow?: boolean;
  /** Only so many of the last entries, or lines of a process. */
  readonly tail?: number;
  readonly since?: Date;
  readonly source?: "console" | "platform";
  /** Tag or process id. */
  readonly process?: string;
  readonly raw?: boolean;
}

/** Prints the console of a capsule and what the platform did with it, or the output of one of its processes. */
export async function logs(context: Context, reference: string, options: LogsVerbOptions): Promise<void> {
  const { follow = false, tail, since, source, process, raw } = options;
  if (follow) context.resumeIndefinitely();
  if (process !== undefined) {
    const unfit = since === undefined ? (source === undefined ? undefined : "--source") : "--since";
    if (unfit !== undefined) throw unfitOption(unfit, "does not go with --process");
    const { processLogs } = await import("../streams/process-logs.ts");
    await processLogs(context, reference, { selector: process, follow, tail, isRaw: raw === true });
    return;
  }
  if (raw === true) throw unfitOption("--raw", "needs --process");
  const capsule = await context.capsule(reference);
  const entries = capsule.logs({ follow, source, since, tail, signal: context.signal });
  for await (const entry of entries) context.output.item(entryJson(entry), () => entryLine(context, entry));
  if (entries.isIncomplete)
    context.output.note(
      "wrenn: lines of the console are missing: the host of the capsule does not answer. Try again later.",
    );
}

/** Bytes as JSON has them. */
function entryJson({ bytes, ...entry }: LogEntry): unknown {
  return bytes === undefined ? entry : { ...entry, bytes: Buffer.from(bytes).toString("base64") };
}

function entryLine({ output }: Context, entry: LogEntry): string {
  const { at, source, event, message, isAfterGap } = entry;
  const gap = isAfterGap ? output.styled("(lines are missing here)\n", "yellow") : "";
  const text =
    source === "platform" ? output.styled(escapeText(message || (event ?? "")), "bold") : escapeText(message);
  return `${gap}${output.styled(at.toISOString(), "dim")} ${source.padEnd(8)} ${text}\n`;
}

function unfitOption(option: string, problem: string): ClientError {
  return new ClientError("usage", "usage", `${option} ${problem}`, "See `wrenn logs --help`.");
}
