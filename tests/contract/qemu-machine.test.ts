import { qemuContract } from "../support/qemu-contract.ts";

await qemuContract("qemu");
