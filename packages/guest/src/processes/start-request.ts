import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { StartRequest } from "@wrenn/protocol";
import { writeLimits } from "./process-limits.ts";

/** What the guest keeps of each stream of a process that never waits: it survives a restart of the host agent. */
export const DETACHED_RING = 262_144;
export const DEFAULT_SIZE = { cols: 80, rows: 24 };

const FLAG_TERMINAL = 1;
const FLAG_INPUT = 2;

/** What the host decides about a process. */
export interface StartOptions {
  readonly handle: number;
  /** What the process may send unasked; the guest's own size for a detached one. */
  readonly ring: number;
  readonly label: Uint8Array;
}

/** The body of START (guest protocol §5). @throws WrennError `invalid_field` for a text that no program could be given. */
export function encodeStart(request: StartRequest, { handle, ring, label }: StartOptions): Buffer {
  requireTexts(request);
  const { cols, rows } = request.terminal ?? DEFAULT_SIZE;
  const body = new guestChannel.BodyWriter()
    .u32(handle)
    .u32((request.terminal ? FLAG_TERMINAL : 0) | (request.stdin ? FLAG_INPUT : 0))
    .u8(request.output === "detached" ? 1 : 0)
    .u32(request.output === "detached" ? DETACHED_RING : ring)
    .u16(cols)
    .u16(rows)
    .text(request.user ?? "")
    .text(request.cwd ?? "");
  const write = (text: string): void => void body.text(text);
  body.list([request.cmd, ...request.args], write);
  body.list(Object.entries(request.envs), ([name, value]) => {
    write(name);
    write(value);
  });
  writeLimits(body, request.limits);
  return body.bytes(label).finish();
}

/** Strings of execve(2) and of paths end with NUL: the guest would refuse the request without saying which field it was. */
function requireTexts({ cmd, args, envs, cwd = "", user = "" }: StartRequest): void {
  const fields = { cmd: [cmd], args, envs: Object.entries(envs).flat(), cwd: [cwd], user: [user] };
  for (const [field, texts] of Object.entries(fields))
    if (texts.some((text) => text.includes("\0")))
      throw new WrennError("invalid_field", { field, problem: "must not contain NUL" });
}
