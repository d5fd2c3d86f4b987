import type { Capsule } from "@wrenn/sdk";

const PAGE = `<!doctype html><title>Shop</title><h1>Three things to buy</h1>`;
const INVOICES = `import random, statistics

def total(lines):
    return sum(quantity * price for quantity, price in lines)

random.seed(7)
invoices = [[(random.randint(1, 9), random.randint(100, 9000)) for _ in range(20)] for _ in range(500)]
totals = sorted(total(lines) for lines in invoices)
print(f"{len(totals)} invoices, median {statistics.median(totals) / 100:,.2f}, highest {totals[-1] / 100:,.2f}")
`;

/** Works for a while and rests for a while: plots of an idle machine are lines. */
const LOAD = `while true; do
  timeout 6 python3 -c 'while True: pass'
  dd if=/dev/urandom of=/var/tmp/cache bs=1M count=8 conv=fsync 2>/dev/null
  curl -s -o /dev/null http://127.0.0.1:8000/
  sleep 9
done`;

/** Fills a capsule with a project, a web server, moments, a fork, and a network policy that is used. */
export async function startWork(capsule: Capsule, signal: AbortSignal): Promise<void> {
  await capsule.files.write("shop/index.html", PAGE, { signal });
  await capsule.files.write("shop/invoices.py", INVOICES, { signal });
  const run = async (line: string): Promise<void> => void (await capsule.commands.run(line, { signal }));
  await run(
    "cd shop && git init -q -b main && git config user.name Ada && git config user.email ada@example.org && git add . && git commit -q -m 'Sum up invoices'",
  );
  await capsule.commands.run("python3 -m http.server 8000 -d shop", { background: true, tag: "web", signal });
  await capsule.checkpoint("before-the-migration", { signal });
  await run("echo 'The shop.' > shop/README && cd shop && git add . && git commit -q -m 'Say what it is'");
  await capsule.checkpoint("migrated", { signal });
  const [fork] = await capsule.fork(1, { signal });
  await fork?.update({ name: "web-shop-try", metadata: { stage: "experiment" }, signal });
  await capsule.setPortAccess(8000, "public", { signal });
  await capsule.setNetwork(
    {
      egress: "deny",
      allow: ["api.example.com", "*.example.org", "192.0.2.0/24"],
      deny: ["198.51.100.7"],
    },
    { signal },
  );
  const names = ["api.example.com", "packages.example.org", "telemetry.example.net"];
  await run(names.map((name) => `getent hosts ${name}`).join("; "));
  for (const address of ["192.0.2.10", "198.51.100.7", "203.0.113.5"])
    await run(`timeout 20 python3 -c "import socket; socket.create_connection(('${address}', 443), 1)"`);
  // Last: the fork has no share in it.
  await capsule.commands.run(LOAD, { background: true, tag: "load", signal });
}
