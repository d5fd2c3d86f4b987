import { WrennError } from "@wrenn/core";
import { targetOf } from "../port-target.ts";
import type { PortTarget } from "../port-target.ts";

/** A request in the path form, taken apart. */
export interface PathForm {
  readonly target: PortTarget;
  /** `/proxy/{id}/{port}`. */
  readonly prefix: string;
  /** What the service sees as request target, raw. */
  readonly url: string;
}

const PATH = /^(\/proxy\/([^/?#]*)(?:\/([^/?#]*))?)(.*)$/s;

/**
 * Reads `/proxy/{capsule id}/{port}/{rest}` (docs/reference/ports.md#path-form).
 *
 * @returns undefined for any other path.
 * @throws WrennError `invalid_id`, `port_invalid`.
 */
export function parsePathForm(url: string): PathForm | undefined {
  const match = PATH.exec(url);
  if (!match) return undefined;
  const [, prefix = "", capsuleId = "", port, rest = ""] = match;
  if (port === undefined) throw new WrennError("port_invalid", {});
  return { target: targetOf(port, capsuleId), prefix, url: rest.startsWith("/") ? rest : `/${rest}` };
}
