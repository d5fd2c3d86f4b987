/* An entry point of its own: it loads in a moment, without the rest of the control plane. */
export { describeAnswer, openFile } from "./files/describe-content.ts";
export { download } from "./files/transfer.ts";
