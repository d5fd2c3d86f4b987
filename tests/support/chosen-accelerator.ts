import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";
import { join } from "node:path";
import { nativeParts } from "@wrenn/server";
import { chooseAccelerator } from "@wrenn/vmm";

/** Directory of a test run for what one test finds out for the others: what `./wrenn test` sets. */
const FINDINGS = "WRENN_TEST_FINDINGS";

/**
 * What a server of this test run is to be told to run machines on. A server that chooses itself runs guest code for half a second of
 * CPU time; one of a test run does so and the others do as it did. Where it chose KVM they choose themselves.
 */
export async function chosenAccelerator(): Promise<"auto" | "tcg"> {
  const findings = process.env[FINDINGS];
  if (findings === undefined) return "auto";
  const file = join(findings, "accelerator");
  let found = await readFileIfPresent(file);
  if (found === undefined) {
    ({ accelerator: found } = await chooseAccelerator(
      nativeParts.kvmProbe,
      "auto",
      AbortSignal.timeout(60_000),
    ));
    await writeFileAtomic(file, found);
  }
  return found === "tcg" ? "tcg" : "auto";
}
