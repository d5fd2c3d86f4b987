import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChangingMemory } from "../support/changing-memory.ts";
import { ParkedMachines } from "../support/parked-machines.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Paused capsules whose machines are kept are what every paused capsule is; a resume lets the machine run. */

let server: TestServer;
let parked: ParkedMachines;
before(async () => {
  server = await startTestServer({ config: { parkedMachines: 4 } });
  parked = new ParkedMachines({ api: server, dataDirectory: server.dataDirectory });
});
after(() => server.close());

test("memory and disk are exact over pauses, whether the machine goes on or starts from disk", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const memory = await ChangingMemory.start(server, id, 7);
  let lines = "";
  for (let round = 0; round < 6; round++) {
    const machine = await parked.park(id);
    // Each way follows on each.
    if ([1, 4, 5].includes(round)) {
      await parked.kill(id);
      await parked.resume(id);
    } else await parked.resumeParked(id, machine);
    await memory.check();
    assert.equal((await server.shell(id, `cat /root/lines 2>/dev/null; echo ${round} >> /root/lines`)).stdout, lines);
    lines += `${round}\n`;
    await memory.change();
  }
});
