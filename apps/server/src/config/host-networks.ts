import { parseNetworks } from "@wrenn/control-plane";
import { problemOf, WrennError } from "@wrenn/core";

/** Networks in which hosts of teams may be, as the environment lists them. @throws WrennError `invalid_field`. */
export function readHostNetworks(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const networks = text
    .split(",")
    .map((network) => network.trim())
    .filter((network) => network !== "");
  try {
    parseNetworks(networks);
  } catch (error) {
    throw new WrennError("invalid_field", { field: "WRENN_HOST_NETWORKS", problem: problemOf(error) });
  }
  return networks;
}
