import { InvalidArgumentError } from "commander";

/** A port, from 1. */
export function port(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 65_535) throw new InvalidArgumentError("a port from 1 to 65535 is needed.");
  return number;
}

export interface ForwardedPort {
  /** 0: one that is free. */
  readonly local: number;
  readonly remote: number;
}

/** `REMOTE` or `LOCAL:REMOTE`; a local port of 0 is one that is free. */
export function forwardedPort(text: string): ForwardedPort {
  const [first = "", second, ...rest] = text.split(":");
  if (rest.length > 0) throw new InvalidArgumentError("LOCAL:REMOTE is needed, such as 8000:80.");
  if (second === undefined) return { local: port(first), remote: port(first) };
  return { local: first === "0" ? 0 : port(first), remote: port(second) };
}
