import { startJailedPageServer } from "@wrenn/vmm";

/* Starts a page server, prints its process, and is killed. */

const [jail = "", pageServer = "", socket = ""] = process.argv.slice(2);
const spec = { files: [], socket, machineUid: 199_501, serverUid: 265_102, memoryMib: 64 };
const server = await startJailedPageServer({ jail, pageServer }, spec, AbortSignal.timeout(10_000));
process.stdout.write(`${JSON.stringify(server.process)}\n`);
setInterval(() => {}, 1000);
