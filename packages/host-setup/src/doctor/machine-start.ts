import { silentLogger, systemClock } from "@wrenn/core";
import { DEFAULT_QEMU, LAYOUT_MS, MACHINES_PER_LAYOUT, MachineZygote } from "@wrenn/vmm";
import type { MachineStartMode } from "@wrenn/vmm";
import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

const MINUTE_MS = 60_000;

type Settled = Awaited<ReturnType<MachineZygote["settled"]>>;

/**
 * How machines start: forked from a loaded QEMU, or executed.
 *
 * @param libraries - native/zygote, and what else machines have loaded.
 * @param mode - the setting WRENN_MACHINE_START.
 * @param probe - replaced in tests.
 */
export function machineStartCheck(
  libraries: { readonly zygote: string; readonly shim: string },
  mode: MachineStartMode,
  probe: () => Promise<Settled> = () => startZygote(libraries),
): Check {
  return {
    id: "machine-start",
    title: "Start of machines",
    why: "machines that are forked from a loaded QEMU start in half the processor time, and share its memory",
    inspect: async () => {
      if (mode === "exec") return ok("executed (WRENN_MACHINE_START=exec)");
      const { way, problem } = await probe();
      if (way === "zygote")
        return ok(
          `forked from a loaded QEMU; at most ${MACHINES_PER_LAYOUT} machines, and those of ${LAYOUT_MS / MINUTE_MS} minutes, have one layout of addresses`,
        );
      return warn(
        `executed, because no zygote starts: ${problem}`,
        "Capsules run all the same. WRENN_MACHINE_START=exec makes this the choice.",
      );
    },
  };
}

async function startZygote({ zygote: library, shim }: { zygote: string; shim: string }): Promise<Settled> {
  const options = { program: DEFAULT_QEMU, library, preloaded: [shim] };
  using zygote = new MachineZygote({ ...options, clock: systemClock, logger: silentLogger });
  zygote.start();
  return await zygote.settled();
}
