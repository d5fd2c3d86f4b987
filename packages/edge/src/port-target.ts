import { parseId, WrennError } from "@wrenn/core";

/** One port of one capsule, as a URL names it. */
export interface PortTarget {
  /** Public id, `cl-…`. */
  readonly capsuleId: string;
  readonly port: number;
}

/** The port form is read loosely so that a wrong number is answered with its own error and not by another site. */
const LABEL = /^(\d+)-(cl-[0-9a-z]*)$/;

/**
 * Reads `{port}-{capsule id}.{domain}` (docs/reference/ports.md#addresses). Letter case, a trailing dot and a port suffix do not matter.
 *
 * @returns undefined when the name is not one of a capsule's port in any of the domains.
 * @throws WrennError `port_invalid`, `invalid_id`.
 */
export function parsePortHost(host: string, domains: readonly string[]): PortTarget | undefined {
  const name = hostNameOf(host);
  const domain = domains.find((each) => name.endsWith(`.${each}`));
  if (domain === undefined) return undefined;
  const match = LABEL.exec(name.slice(0, -domain.length - 1));
  return match ? targetOf(match[1] ?? "", match[2] ?? "") : undefined;
}

/** @throws WrennError `port_invalid`, `invalid_id`. */
export function targetOf(port: string, capsuleId: string): PortTarget {
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65_535)
    throw new WrennError("port_invalid", { port });
  parseId("capsule", capsuleId);
  return { capsuleId, port: number };
}

/** The name in a Host header: lower case, without port and trailing dot. */
export function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}
