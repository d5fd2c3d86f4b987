import type { Duplex } from "node:stream";
import { connectTcp } from "@wrenn/system";
import type { CapsuleRoute } from "../routing/capsule-route.ts";
import { overTls } from "./over-tls.ts";

export interface UpstreamPlace {
  readonly address: string;
  readonly port: number;
  readonly connect: CapsuleRoute["connect"];
  /** Whether the service speaks TLS. */
  readonly isSecure: boolean;
}

/** Connects once to a port of a capsule, through its host where this machine cannot reach it. @throws as `Connect`. */
export async function connectTo(
  { address, port, connect, isSecure }: UpstreamPlace,
  halfOpen: boolean,
  ms: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const connection = connect
    ? await connect(port, { halfOpen, signal: AbortSignal.any([signal, AbortSignal.timeout(ms)]) })
    : await connectTcp({ address, port, halfOpen }, ms, signal);
  return isSecure ? await overTls(connection, ms, signal) : connection;
}
