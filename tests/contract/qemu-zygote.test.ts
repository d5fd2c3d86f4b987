import assert from "node:assert/strict";
import { after } from "node:test";
import { DEFAULT_QEMU } from "@wrenn/vmm";
import { qemuContract } from "../support/qemu-contract.ts";
import { readyZygote } from "../support/real-machines.ts";

const zygote = await readyZygote();
after(() => zygote[Symbol.dispose]());

await qemuContract("qemu-zygote", {
  fork: async (program) => {
    const forked = await zygote.fork(program);
    assert.ok(typeof forked === "object" || program.program[0] !== DEFAULT_QEMU, "it was forked");
    return forked;
  },
});
