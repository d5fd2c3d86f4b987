import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TestDatabase } from "@wrenn/database/testing";
import { sql } from "kysely";
import { openPool, singleClient } from "../src/connections.ts";

const files = await TestDatabase.create();
const database = await files.open();
after(async () => {
  await database.close();
  await files[Symbol.asyncDispose]();
});
const config = { connectionString: await files.connectionUrl() };

/** Ends a connection as a server does that is stopped, and gives its client the time to hear of it. */
async function cut(pid: number): Promise<void> {
  await sql`select pg_terminate_backend(${pid})`.execute(database.db);
  await new Promise((resolve) => setTimeout(resolve, 200));
}

const ownPid = "select pg_backend_pid() as pid";

test("connections that break while nothing is asked of them are told, and end no process", async () => {
  const problems: string[] = [];
  const pool = openPool({ ...config, max: 2 }, ({ message }) => problems.push(message));
  const held = await pool.connect();
  const idle = await pool.connect();
  const pids = [];
  for (const client of [held, idle]) pids.push((await client.query<{ pid: number }>(ownPid)).rows[0]?.pid);
  idle.release();
  for (const pid of pids) await cut(pid ?? assert.fail());
  assert.ok(problems.some((problem) => problem.includes("terminating connection")));
  await assert.rejects(held.query(ownPid));
  held.release(true);
  assert.equal((await pool.query(ownPid)).rowCount, 1, "the next one is new");
  await pool.end();

  const single = singleClient(config);
  await single.connect();
  await cut((await single.query<{ pid: number }>(ownPid)).rows[0]?.pid ?? assert.fail());
  await assert.rejects(single.query(ownPid));
  await single.end();
});
