import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "@wrenn/core/testing";
import { isAlive, readFileIfPresent } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import type { ApiCaller } from "./api-caller.ts";

/** A server whose paused capsules may keep their machines. */
export interface ParkingServer {
  readonly api: ApiCaller;
  readonly dataDirectory: string;
}

/** The machines of one server's paused capsules. */
export class ParkedMachines {
  readonly #server: ParkingServer;

  constructor(server: ParkingServer) {
    this.#server = server;
  }

  async pause(id: string): Promise<void> {
    await this.#verb(id, "pause", "paused");
  }

  async resume(id: string): Promise<void> {
    await this.#verb(id, "resume", "running");
  }

  /** Pauses a capsule and expects that its machine is kept, which is returned. */
  async park(id: string): Promise<ProcessIdentity> {
    const before = await this.of(id);
    await this.pause(id);
    const parked = (await this.of(id)) ?? assert.fail("there is no machine");
    assert.deepEqual(parked, before, "the machine is kept");
    return parked;
  }

  /** Resumes a capsule and expects that this machine goes on. */
  async resumeParked(id: string, machine: ProcessIdentity): Promise<void> {
    await this.resume(id);
    assert.deepEqual(await this.of(id), machine, "the parked machine goes on");
  }

  /** Ends the machine of a paused capsule as a crash would. */
  async kill(id: string): Promise<void> {
    const machine = (await this.of(id)) ?? assert.fail("there is no machine");
    process.kill(machine.pid, "SIGKILL");
    await this.ended(id);
  }

  /** Waits until a paused capsule has no machine. */
  async ended(id: string): Promise<void> {
    await eventually("the capsule has no machine", async () => (await this.of(id)) === undefined);
    const { body } = await this.#server.api.call<{ status: string }>("GET", `/v1/capsules/${id}`);
    assert.equal(body.status, "paused");
  }

  /** The process of the machine of a capsule. */
  async of(id: string): Promise<ProcessIdentity | undefined> {
    const text = await readFileIfPresent(join(this.#server.dataDirectory, "capsules", id, "run/record.json"));
    if (text === undefined) return undefined;
    const { process } = JSON.parse(text) as { process: ProcessIdentity };
    return (await isAlive(process)) ? process : undefined;
  }

  /** A value of the server's metrics. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(new URL("/metrics", this.#server.api.url))).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? assert.fail(`${name}: ${text}`));
  }

  async #verb(id: string, name: string, status: string): Promise<void> {
    const answer = await this.#server.api.call<{ status: string }>("POST", `/v1/capsules/${id}/${name}`);
    assert.deepEqual([answer.status, answer.body.status], [200, status], JSON.stringify(answer.body));
  }
}
