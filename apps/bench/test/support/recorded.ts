import type { MachineFacts } from "@wrenn/bench";

export const facts: MachineFacts = {
  cpu: "a processor",
  cores: 2,
  memoryGiB: 8,
  kernel: "6.1",
  node: "v26.0.0",
  accelerator: "tcg",
  machineProgram: "QEMU 7.2.22",
  load: 0,
  stealPercent: 0,
};
