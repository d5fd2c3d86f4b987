import { holdLock } from "@wrenn/system";

/** Holds a lock until it is killed: `lock-process.ts <path>`. */
const [path = ""] = process.argv.slice(2);
await holdLock(path, AbortSignal.timeout(60_000));
process.stdout.write("held\n");
setInterval(() => {}, 60_000);
