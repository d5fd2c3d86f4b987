import { defined, WrennError } from "@wrenn/core";
import { MAX_TIMEOUT_MS } from "@wrenn/protocol";

/** Longest label that the guest keeps (guest protocol §5). */
const LABEL_LIMIT = 65_536;
/** Last moment that a `Date` can have. */
const LATEST_MS = 8.64e15;
const SHORT_TEXT = 200;
const SHORT_LIST = 20;

/** What the guest keeps about a process for a host that has forgotten it. */
export interface ProcessLabel {
  readonly tag: string;
  readonly cmd: string;
  readonly args: readonly string[];
  readonly startedAt: number;
  readonly attached: boolean;
  readonly paced?: boolean;
  readonly timeoutMs?: number;
  readonly note?: string;
}

/** What is too long for the label serves for show only: the note is left out first, then the command line is cut. */
export function encodeLabel({ note, ...label }: ProcessLabel): Buffer {
  const { cmd, args } = label;
  if (note !== undefined) {
    const noted = Buffer.from(JSON.stringify({ ...label, note }));
    if (noted.length <= LABEL_LIMIT) return noted;
  }
  const whole = Buffer.from(JSON.stringify(label));
  if (whole.length <= LABEL_LIMIT) return whole;
  const cut = (text: string): string => text.slice(0, SHORT_TEXT);
  return Buffer.from(JSON.stringify({ ...label, cmd: cut(cmd), args: args.slice(0, SHORT_LIST).map(cut) }));
}

/** Memory of one argument in addition to its text: an entry of the list, and the head of a string. */
const TEXT_OVERHEAD = 40;

/** Memory that a label costs once it is read: text that is not Latin has two bytes for each character. */
export function labelCost(bytes: Buffer, { args }: Pick<ProcessLabel, "args">): number {
  return 2 * bytes.length + args.length * TEXT_OVERHEAD;
}

/**
 * Reads a label back; the guest may have changed it. Nothing of `bytes`, nor of the request that it describes, is kept by what is
 * returned.
 *
 * @throws WrennError `guest_protocol` when it is not one.
 */
export function decodeLabel(bytes: Buffer): ProcessLabel {
  if (bytes.length > LABEL_LIMIT)
    throw new WrennError("guest_protocol", { problem: `a process label of ${bytes.length} bytes` });
  let label: unknown;
  try {
    label = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new WrennError("guest_protocol", { problem: "a process label that is not JSON" }, { cause });
  }
  if (!isLabel(label))
    throw new WrennError("guest_protocol", { problem: "a process label without its fields" });
  // Only these: the guest may have added others.
  const { tag, cmd, args, startedAt, attached, paced, timeoutMs, note } = label;
  return { tag, cmd, args, startedAt, attached, ...defined({ paced, timeoutMs, note }) };
}

function isTimeLimit(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_TIMEOUT_MS;
}

function isLabel(value: unknown): value is ProcessLabel {
  if (typeof value !== "object" || value === null) return false;
  const { tag, cmd, args, startedAt, attached, paced, timeoutMs, note } = value as Partial<
    Record<keyof ProcessLabel, unknown>
  >;
  return (
    typeof tag === "string" &&
    typeof cmd === "string" &&
    Array.isArray(args) &&
    args.every((argument) => typeof argument === "string") &&
    typeof startedAt === "number" &&
    Math.abs(startedAt) <= LATEST_MS &&
    typeof attached === "boolean" &&
    (paced === undefined || typeof paced === "boolean") &&
    (timeoutMs === undefined || isTimeLimit(timeoutMs)) &&
    (note === undefined || typeof note === "string")
  );
}
