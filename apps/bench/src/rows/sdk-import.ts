import { fileURLToPath } from "node:url";
import { runCommand } from "@wrenn/system";
import type { Row } from "../row.ts";

const SDK = fileURLToPath(new URL("../../../../packages/sdk", import.meta.url));
/** Without what Node.js itself needs to start. */
const TIMED =
  "const start = performance.now(); await import(process.argv[1]); console.log(performance.now() - start);";

/** The first import of the SDK in a process, as it is published. */
export const sdkImport: Row = {
  name: "import of @wrenn/sdk in a new Node.js process",
  unit: "ms",
  asked: { p50: 30, better: "lower" },
  prepare: async ({ signal }) => {
    await runCommand(["npm", "run", "build"], { cwd: SDK, signal });
    const argv = ["--input-type=module", "--eval", TIMED, `${SDK}/build/node.js`];
    return {
      sample: async () => Number((await runCommand([process.execPath, ...argv], { signal })).stdout),
      dispose: async () => {},
    };
  },
};
