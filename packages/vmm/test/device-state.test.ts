import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { WrennError } from "@wrenn/core";
import { identifyProcess } from "@wrenn/system";
import { loadDeviceState, saveDeviceState } from "../src/qemu/device-state.ts";
import { QmpClient } from "../src/qemu/qmp-client.ts";
import { readLinesWithDescriptors } from "./support/lines-with-descriptors.ts";

const signal = AbortSignal.timeout(30_000);
const STATE = "the state of all devices";
/** Much longer than the pause after which QEMU is asked without an event. */
const SLOW_MS = 300;

/** A QEMU that transfers its state, reports the steps by events or not, and notes what it is asked. */
class TransferringQemu {
  readonly commands: string[] = [];
  readonly directory: string;
  /** Whether it reports steps. */
  reports = true;
  /** How the transfer ends. */
  outcome: "completed" | "failed" = "completed";
  /** Questions for its state, after the end of a transfer, until it can run again. */
  finishing = 2;
  received = "";
  /** What it sends of itself. */
  state: string | Buffer = STATE;
  qmp!: QmpClient;
  #migration = "none";
  #status = "inmigrate";
  #control: Socket | undefined;
  #connection: Socket | undefined;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(t: TestContext): Promise<TransferringQemu> {
    const qemu = new TransferringQemu(await mkdtemp("/tmp/wd-"));
    const path = join(qemu.directory, "qmp.sock");
    const server = createServer({ pauseOnConnect: true }, (socket) => qemu.#serve(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const self = await identifyProcess(process.pid);
    assert.ok(self);
    qemu.qmp = await QmpClient.connect(path, { uid: process.getuid?.() ?? 0, process: self }, signal);
    t.after(async () => {
      qemu.qmp.close();
      server.close();
      qemu.#connection?.destroy();
      await rm(qemu.directory, { recursive: true });
    });
    return qemu;
  }

  count(command: string): number {
    return this.commands.filter((one) => one === command).length;
  }

  #serve(socket: Socket): void {
    this.#control = socket;
    socket.write(`${JSON.stringify({ QMP: {} })}\n`);
    readLinesWithDescriptors(socket, (line, [descriptor]) => {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      this.commands.push(execute);
      if (execute === "getfd")
        this.#connection = new Socket({ fd: descriptor, readable: true, writable: true });
      socket.write(`${JSON.stringify({ return: this.#answer(execute), id })}\n`);
    });
  }

  #answer(command: string): unknown {
    if (command === "migrate") this.#send();
    if (command === "migrate-incoming") this.#receive();
    if (command === "query-migrate") return { status: this.#migration };
    if (command !== "query-status") return {};
    if (this.#status === "finish-migrate" && --this.finishing <= 0) this.#status = "postmigrate";
    return { status: this.#status };
  }

  #send(): void {
    this.#status = "finish-migrate";
    this.#step("active");
    setTimeout(() => {
      this.#connection?.on("error", () => {}).end(this.state);
      this.#step(this.outcome);
    }, SLOW_MS);
  }

  #receive(): void {
    this.#step("active");
    this.#connection?.setEncoding("utf8").on("data", (text: string) => (this.received += text));
    this.#connection?.once("end", () => setTimeout(() => this.#loaded(), SLOW_MS));
  }

  #loaded(): void {
    this.#status = this.outcome === "completed" ? "paused" : "internal-error";
    this.#step(this.outcome);
  }

  #step(status: string): void {
    this.#migration = status;
    const event = { event: "MIGRATION", data: { status } };
    if (this.reports) this.#control?.write(`${JSON.stringify(event)}\n`);
  }
}

const save = async (qemu: TransferringQemu, file: string): Promise<void> =>
  await saveDeviceState(qemu.qmp, file, signal);

for (const reports of [true, false]) {
  test(`a state is saved and loaded by a QEMU that ${reports ? "reports" : "does not report"} the steps`, async (t) => {
    const [source, target] = [await TransferringQemu.start(t), await TransferringQemu.start(t)];
    source.reports = target.reports = reports;
    const file = join(source.directory, "state");
    await save(source, file);
    assert.equal(await readFile(file, "utf8"), STATE);
    assert.equal(source.finishing, 0, "it can run again");
    await loadDeviceState(target.qmp, file, signal);
    assert.equal(target.received, STATE);
    // A question for each step and each pause; one each millisecond would be hundreds.
    assert.ok(source.count("query-migrate") < 20, `${source.count("query-migrate")} questions`);
    assert.ok(target.count("query-status") < 20, `${target.count("query-status")} questions`);
  });
}

test("a state that cannot be saved or loaded is refused with what QEMU reports", async (t) => {
  const [source, target] = [await TransferringQemu.start(t), await TransferringQemu.start(t)];
  source.outcome = target.outcome = "failed";
  const file = join(source.directory, "state");
  await assert.rejects(save(source, file), (error) => WrennError.is(error, "operation_failed"));
  await writeFile(file, STATE);
  await assert.rejects(loadDeviceState(target.qmp, file, signal), (error) =>
    WrennError.is(error, "machine_start_failed"),
  );
});

test("a state without an end is cut off, and fills neither the disk nor the memory", async (t) => {
  const source = await TransferringQemu.start(t);
  source.state = Buffer.alloc((64 << 20) + 1);
  const file = join(source.directory, "state");
  await assert.rejects(save(source, file), (error) => WrennError.is(error, "operation_failed"));
  assert.ok((await stat(file)).size <= 64 << 20);
});

test("an answer from another user's process is no machine's", async (t) => {
  const qemu = await TransferringQemu.start(t);
  await assert.rejects(
    QmpClient.connect(join(qemu.directory, "qmp.sock"), { uid: 199_001 }, signal),
    (error) => WrennError.is(error, "operation_failed") && /user \d+ answers there/.test(error.message),
  );
});
