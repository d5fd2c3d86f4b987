export { cells } from "./cells.ts";
export { clientAt, contextOf, missingPython, startInterpreter } from "./interpreter.ts";
export type { Interpreter } from "./interpreter.ts";
export { printedIn, Requests } from "./requests.ts";
export type { Line } from "./requests.ts";
