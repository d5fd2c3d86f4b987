import { ImportLab } from "../images/import-lab.ts";
import type { MeasuredImport } from "../images/import-lab.ts";
import type { Row } from "../row.ts";

/** An import takes seconds: the first rounds say enough. */
const MAX_ROUNDS = 4;

function importRow(row: Omit<Row, "prepare" | "maxRounds">, valueOf: (made: MeasuredImport) => number): Row {
  return {
    ...row,
    maxRounds: MAX_ROUNDS,
    prepare: async (context) => {
      const lab = await ImportLab.start(context);
      return {
        sample: async () => valueOf(await lab.import()),
        dispose: async () => await lab[Symbol.asyncDispose](),
      };
    },
  };
}

export const imageImport = importRow(
  {
    name: "import of an image of 200 MB from a local registry → its disk is ready",
    unit: "ms",
    asked: { p50: 20_000, better: "lower" },
  },
  ({ ms }) => ms,
);

export const imageImportMemory = importRow(
  {
    name: "server's memory beyond what it had, peak during such an import",
    unit: "MiB",
    asked: { p50: 200, better: "lower" },
  },
  ({ grownMib }) => grownMib,
);
