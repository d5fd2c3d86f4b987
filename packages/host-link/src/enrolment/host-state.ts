import { WrennError } from "@wrenn/core";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";

const State = Type.Object({
  /** Where the control plane's public API is. */
  url: Type.String(),
  hostId: Type.String(),
  /** For heartbeats. */
  token: Type.String(),
  refreshToken: Type.String(),
  keyPem: Type.String(),
  certPem: Type.String(),
  caPem: Type.String(),
  /** Milliseconds since the Unix epoch. */
  issuedAt: Type.Number(),
});

/** What makes this machine the host that it joined as; its private key never leaves the file. */
export type HostState = Static<typeof State>;

/** @returns undefined for a machine that has not joined. @throws WrennError `host_state_damaged`. */
export async function readHostState(path: string): Promise<HostState | undefined> {
  const text = await readFileIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return Value.Parse(State, JSON.parse(text));
  } catch (error) {
    throw new WrennError("host_state_damaged", { path }, { cause: error });
  }
}

export async function writeHostState(path: string, state: HostState): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(state)}\n`);
}
