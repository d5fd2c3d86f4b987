/* Starts a zygote and a machine of it, reports both, and waits to be killed. */
import { jailedPerl, perlZygote, zygoteProcesses } from "./jailed-perl.ts";

const zygote = await perlZygote();
const program = await jailedPerl("sleep 60");
const machine = await zygote.fork(program);
const [pid] = await zygoteProcesses();
process.stdout.write(JSON.stringify({ zygote: pid, machine, directory: program.directory }));
setInterval(() => {}, 60_000);
