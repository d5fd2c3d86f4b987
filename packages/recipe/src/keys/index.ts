export { stepKeys } from "./step-keys.ts";
export type { KeyInputs } from "./step-keys.ts";
