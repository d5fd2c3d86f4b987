import { silentLogger } from "@wrenn/core";
import { enableForwarding, restoreForwarding } from "../../packages/network/src/host-forwarding.ts";

// Of two installations that close at once, the second puts the switch back while the first looks for others.
const noTables = { stdout: "" };
await enableForwarding([], silentLogger);
await restoreForwarding(async () => {
  await restoreForwarding(async () => noTables, silentLogger);
  return noTables;
}, silentLogger);
