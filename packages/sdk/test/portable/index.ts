import { capsuleScenarios } from "./capsules.ts";
import { commandScenarios } from "./commands.ts";
import { errorScenarios } from "./errors.ts";
import { fileScenarios } from "./files.ts";
import type { Scenario } from "./scenario.ts";
import { terminalScenarios } from "./terminals.ts";

export type { PortableContext, Scenario } from "./scenario.ts";

/** Everything that the SDK does in every runtime, in the order in which it is run. */
export const scenarios: readonly Scenario[] = [
  ...capsuleScenarios,
  ...commandScenarios,
  ...fileScenarios,
  ...terminalScenarios,
  ...errorScenarios,
];
