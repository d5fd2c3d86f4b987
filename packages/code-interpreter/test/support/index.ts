export { cells } from "./cells.ts";
export { clientAt, contextOf, missingPython, startInterpreter } from "./interpreter.ts";
export type { Interpreter } from "./interpreter.ts";
