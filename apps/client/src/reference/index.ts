export { documentProblems } from "./document.ts";
export { leavesOf, renderCliReference } from "./render.ts";
export { verbReference } from "./verbs.ts";
