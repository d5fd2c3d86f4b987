import dns from "node:dns";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { Sandbox } from "e2b";
import { trafficService, trafficServiceIsUp } from "./traffic-service.ts";

/*
 * The published client of E2B with E2B_API_KEY, E2B_DOMAIN and NODE_EXTRA_CA_CERTS alone, as a program of its own since Node.js reads the
 * last one at its start. Prints what it saw; the sandbox stays.
 *
 * `node e2b-domain-process.ts NAME_SERVER API_URL CERTIFICATE`: the last one is a PEM file with certificate and key for a service that speaks TLS
 */

const [nameServer = "", apiUrl = "", certificate = ""] = process.argv.slice(2);
const resolver = new dns.Resolver();
resolver.setServers([nameServer]);
// As if the system asked the server's own name server.
Object.assign(dns, {
  lookup: (
    name: string,
    options: dns.LookupOptions,
    done: (error: Error | null, address?: string | dns.LookupAddress[], family?: number) => void,
  ): void => {
    resolver.resolve4(name, (error, addresses) => {
      if (error) {
        done(error);
        return;
      }
      const [address = ""] = addresses;
      if (options.all === true) done(null, [{ address, family: 4 }]);
      else done(null, address, 4);
    });
  },
});

/** The address of the API alone; the answer of the server names the domain. */
const byAnswer = { apiUrl, domain: "not-used.invalid" };

const sandbox = await Sandbox.create("minimal", {
  timeoutMs: 600_000,
  network: { httpsPorts: [8443] },
});
await sandbox.files.write("service.py", trafficService);
await sandbox.files.write("own.pem", await readFile(certificate, "utf8"));
for (const service of ["service.py", "service.py 8443 own.pem"])
  await sandbox.commands.run(`python3 ${service}`, { background: true, timeoutMs: 0 });
await sandbox.commands.run(trafficServiceIsUp, { timeoutMs: 120_000 });
await sandbox.commands.run(trafficServiceIsUp.replace("localhost:8000", "-k https://localhost:8443"), {
  timeoutMs: 120_000,
});
const host = sandbox.getHost(8000);
const page = await fetch(`https://${host}/`);
const secure = await fetch(`https://${sandbox.getHost(8443)}/`);
const { network } = await sandbox.getInfo();
const link = await fetch(await sandbox.downloadUrl("service.py"));
const other = await Sandbox.connect(sandbox.sandboxId, byAnswer);
const { stdout } = await other.commands.run("id -un");
// All at a time, as undici8 lets them, which clients have with today's Node.js.
const shared = await sandbox.commands.run("read -r; echo ended", {
  background: true,
  stdin: true,
  timeoutMs: 0,
});
const followers = await Promise.all(
  Array.from({ length: 300 }, () => sandbox.commands.connect(shared.pid, { timeoutMs: 0 })),
);
await sandbox.commands.sendStdin(shared.pid, "\n");
const ends = await Promise.all(followers.map((one) => one.wait()));
// A fork has the settings of its source, and is killed while a command runs in it.
const [fork] = await sandbox.fork({ count: 1, timeoutMs: 600_000 });
if (!(fork instanceof Sandbox)) throw new Error("the fork did not start");
const ofFork = await fetch(`https://${fork.getHost(8443)}/`);
const running = await fork.commands.run("sleep 300", { background: true, timeoutMs: 0 });
await fork.kill();
const end = await running.wait().then(
  () => "ended",
  (error: unknown) => String(error),
);
const runsYet = await fork.isRunning();
const closed = await fetch(`https://${sandbox.getHost(8001)}/`);
process.stdout.write(
  JSON.stringify({
    id: sandbox.sandboxId,
    host,
    page: await page.text(),
    securePage: await secure.text(),
    fork: [await ofFork.text(), runsYet, /killed or reached its end of life/.test(end) ? "killed" : end],
    httpsPorts: network?.httpsPorts,
    isSameFile: (await link.text()) === trafficService,
    otherHost: other.getHost(8000),
    user: stdout.trim(),
    simultaneous: ends.filter((one) => one.stdout === "ended\n").length,
    closedPort: await closed.json(),
  }),
);
// Connections that are kept would keep the process.
await setTimeout(0);
process.exit(0);
