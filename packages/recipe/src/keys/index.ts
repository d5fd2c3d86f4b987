export { stepKeys } from "./step-keys.ts";
export type { KeyedStep, KeyInputs } from "./step-keys.ts";
