import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { openLeavingClients } from "./support/leaving-clients.ts";

/* Forks and snapshots whose clients leave before they are answered. */

const lab = await openLeavingClients();
const { host, db, call, create, send, asked, rowOf, unanswered, live } = lab;
after(() => lab.close());

test("a fork of a client that leaves has no children, and its source continues", async () => {
  host.isSlow = false;
  const source = String((await create()).body["id"]);
  for (const heedsAborts of [true, false]) {
    host.heedsAborts = heedsAborts;
    host.isSlow = true;
    const outgoing = send(`/v1/capsules/${source}/fork`, {}, { count: 3 });
    assert.equal(await asked(), source);
    assert.equal((await live()).length, 4);
    outgoing.destroy();
    await eventually("their rows are over", async () => (await live()).length === 1);
    host.creating.get(source)?.();
    await eventually("the host has none of them", () => [...host.capsules.keys()].join() === source);
  }
  host.heedsAborts = true;
  host.isSlow = false;
  const fork = await call("POST", `/v1/capsules/${source}/fork`, { body: { count: 2 } });
  assert.equal(fork.status, 201);
  await eventually("the answer is recorded", async () => (await unanswered()) === 0);
  assert.equal((await live()).length, 3);
  for (const id of await live()) await call("DELETE", `/v1/capsules/${id}`);
});

test("a snapshot without a name leaves no template of a client that leaves; one with a name is kept", async () => {
  const id = String((await create()).body["id"]);
  const names = async (): Promise<readonly string[]> =>
    (await db.selectFrom("templates").select("name").execute()).map(({ name }) => name);
  for (const name of [undefined, "wanted"]) {
    const gate = Promise.withResolvers<void>();
    host.snapshotGate = gate.promise;
    const outgoing = send("/v1/snapshots", {}, { sandbox_id: id, ...(name === undefined ? {} : { name }) });
    const [signal] = await eventually("the host is asked", () => {
      return host.snapshotSignals.length > 0 && host.snapshotSignals.splice(0);
    });
    assert.equal((await rowOf(id)).status, "paused");
    outgoing.destroy();
    if (name === undefined) await eventually("the host is told", () => signal?.aborted);
    else await lab.arrived();
    gate.resolve();
    await eventually("it is over", async () => {
      const running = await db.selectFrom("operations").select("id").where("state", "=", "running").execute();
      return running.length === 0;
    });
  }
  assert.deepEqual(await names(), ["wanted"]);
  await call("DELETE", `/v1/capsules/${id}`);
});
