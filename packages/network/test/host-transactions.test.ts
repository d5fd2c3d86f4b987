import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { after, test } from "node:test";
import { silentLogger, systemClock } from "@wrenn/core";
import { createDestinations } from "../src/destinations.ts";
import { forgetConnections, forgetStrangers } from "../src/forget-connections.ts";
import type { Runner } from "../src/runner.ts";
import { SlotPolicies } from "../src/slot-policies.ts";
import { TeamConnections } from "../src/team-connections.ts";

const signal = new AbortController().signal;
const instance = { id: "1a2b", block: 11, uidBase: 300_000 };
const policy = { egress: "deny" as const, allow: ["*.example.com"], deny: [] };
const stateDirectory = await mkdtemp("/tmp/wrenn-transactions-");
after(() => rm(stateDirectory, { recursive: true }));

/** A kernel that takes a while for each transaction, and refuses those that hold some words. */
function startKernel() {
  const inputs: string[] = [];
  const kernel = { inputs, refuses: (_input: string): boolean => false, running: 0, most: 0 };
  const run: Runner = async (_argv, { input = "" }) => {
    inputs.push(input);
    kernel.running += 1;
    kernel.most = Math.max(kernel.most, kernel.running);
    await setTimeout(5);
    kernel.running -= 1;
    if (kernel.refuses(input)) throw new Error("refused");
    return { stdout: "" };
  };
  return Object.assign(kernel, { run });
}

function openTeams() {
  const kernel = startKernel();
  const options = { limits: { team: 40, teamPerSecond: 10 }, tableSize: 65_536 };
  return {
    kernel,
    teams: new TeamConnections({ instance, runner: kernel.run, logger: silentLogger }, options),
  };
}

async function openPolicies(slots: number) {
  const kernel = startKernel();
  const gateway = { setPolicy: async () => {}, decisions: async () => [], forget: () => {} };
  const policies = new SlotPolicies({
    instance,
    stateDirectory,
    runner: kernel.run,
    clock: systemClock,
    logger: silentLogger,
    destinations: createDestinations([]),
    gateway: () => gateway,
  });
  for (let number = 1; number <= slots; number += 1) {
    await policies.open(number, signal);
    await policies.apply(number, policy, signal);
  }
  kernel.inputs.length = 0;
  kernel.most = 0;
  return { kernel, policies };
}

test("teams that are assigned together share a transaction, and with the last slot of a team its chain goes", async () => {
  const { kernel, teams } = openTeams();
  await Promise.all(Array.from({ length: 100 }, (_, n) => teams.assign(n + 1, `team-${n % 10}`, signal)));
  assert.ok(kernel.inputs.length <= 5, `${kernel.inputs.length} transactions`);
  const all = kernel.inputs.join("");
  assert.equal(all.match(/^add element/gm)?.length, 100);
  assert.equal(all.match(/^add chain/gm)?.length, 10);
  kernel.inputs.length = 0;
  await Promise.all(Array.from({ length: 100 }, (_, n) => teams.release(n + 1)));
  assert.ok(kernel.inputs.length <= 5, `${kernel.inputs.length} transactions`);
  assert.equal(kernel.inputs.join("").match(/^delete element/gm)?.length, 100);
  assert.equal(kernel.inputs.join("").match(/^delete chain/gm)?.length, 10);
});

test("a slot that counts for its team already needs no transaction", async () => {
  const { kernel, teams } = openTeams();
  await teams.assign(1, "team-one", signal);
  kernel.inputs.length = 0;
  await teams.assign(1, "team-one", signal);
  assert.deepEqual(kernel.inputs, []);
  await teams.assign(1, "team-two", signal);
  assert.equal(kernel.inputs.length, 1);
});

test("an assignment that the kernel refuses fails alone, and rules that are restored hold every team", async () => {
  const { kernel, teams } = openTeams();
  kernel.refuses = (input) => input.includes(" 10.11.0.2 ");
  const ends = await Promise.allSettled([1, 2, 3].map((number) => teams.assign(number, "team-one", signal)));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  kernel.inputs.length = 0;
  await teams.restore("the host's rules");
  const [input = "", ...others] = kernel.inputs;
  assert.deepEqual(others, []);
  assert.ok(input.startsWith("the host's rules\n"));
  assert.equal(input.match(/^add element/gm)?.length, 2);
  assert.equal(input.match(/^add chain/gm)?.length, 1);
});

test("addresses that are bound together share a transaction, a slot has a rate, and few slots bind at a time", async () => {
  const { kernel, policies } = await openPolicies(12);
  const bind = (slot: number, at: number): Promise<void> =>
    policies.bind(slot, slot + 1, [{ address: `203.0.113.${at + 1}`, seconds: 90 }]);
  await Promise.all(Array.from({ length: 100 }, (_, at) => bind(1, at)));
  assert.ok(kernel.inputs.length <= 3, `${kernel.inputs.length} transactions`);
  assert.equal(kernel.inputs.join("").match(/timeout 90s/g)?.length, 100);
  await assert.rejects(Promise.all(Array.from({ length: 50 }, (_, at) => bind(1, at))), /too many/);
  kernel.most = 0;
  await Promise.all(Array.from({ length: 110 }, (_, at) => bind(2 + (at % 11), at)));
  assert.ok(kernel.most >= 2 && kernel.most <= 4, `${kernel.most} at a time`);
  await assert.rejects(policies.bind(3, 1, [{ address: "203.0.113.1", seconds: 90 }]), /is over/);
});

test("strangers are found in all of a table, however large it is, and their networks are forgotten at once", async () => {
  const calls: string[] = [];
  const line = (address: string): string =>
    `tcp 6 7000 ESTABLISHED src=${address} dst=203.0.113.9 sport=1 dport=2\n`;
  const table = line("10.11.0.77") + line("10.11.0.2").repeat(20_000);
  const run: Runner = async (argv, { onStdout }) => {
    calls.push(argv.slice(1).join(" "));
    if (!argv.includes("--dump") || !argv.includes("--orig-src")) return { stdout: "" };
    for (let at = 0; at < table.length; at += 1000) onStdout?.(table.slice(at, at + 1000));
    return { stdout: table.slice(-(1 << 20)) };
  };
  await forgetStrangers("10.11.0.0/16", new Set(["10.11.0.2"]), run);
  assert.deepEqual(calls.slice(2), ["--delete --orig-src 10.11.0.77", "--delete --orig-dst 10.11.0.77"]);
  calls.length = 0;
  const addresses = Array.from({ length: 100 }, (_, n) => `10.11.0.${n + 1}`);
  await forgetConnections(addresses, run);
  const networks = calls.filter((call) => call.includes("--orig-src")).map((call) => call.split(" ").at(-1));
  assert.deepEqual(
    networks,
    // prettier-ignore
    ["10.11.0.1", "10.11.0.2/31", "10.11.0.4/30", "10.11.0.8/29", "10.11.0.16/28", "10.11.0.32/27", "10.11.0.64/27", "10.11.0.96/30", "10.11.0.100"],
  );
});

test("policies of different slots have different epochs, so that what one slot was allowed is not bound for the next of its number", async () => {
  const { kernel, policies } = await openPolicies(2);
  const written = async (number: number): Promise<void> =>
    await policies.bind(number, 2, [{ address: "203.0.113.9", seconds: 60 }]);
  await written(1);
  await assert.rejects(written(2), /is over/);
  await policies.close(1);
  await policies.open(1, signal);
  await policies.apply(1, policy, signal);
  kernel.inputs.length = 0;
  await assert.rejects(written(1), /is over/);
  assert.deepEqual(kernel.inputs, []);
});

/** A kernel that holds the map and the chains of teams as nft does: what is there already, or is not there, is refused. */
function startStrictKernel() {
  const chains = new Set<string>();
  const elements = new Map<string, string>();
  const kernel = { chains, elements, isCutOff: false };
  const run: Runner = async (_argv, { input = "" }) => {
    const [nextChains, next] = [new Set(chains), new Map(elements)];
    for (const line of input.split("\n")) {
      const [verb = "", kind = "", , , name = "", ...rest] = line.split(" ");
      const [, address = "", chain = ""] = /\{ (\S+)(?: : goto (\S+))? \}/.exec(line) ?? [];
      if (verb === "flush" && kind === "map") next.clear();
      else if (verb === "add" && kind === "chain") nextChains.add(name);
      else if (verb === "delete" && kind === "chain") {
        if (!nextChains.delete(name)) throw new Error("No such file");
        if ([...next.values()].includes(name)) throw new Error("Device or resource busy");
      } else if (verb === "add" && kind === "element") {
        if ((next.get(address) ?? chain) !== chain) throw new Error("File exists");
        if (!nextChains.has(chain)) throw new Error("No such chain");
        next.set(address, chain);
      } else if (verb === "delete" && kind === "element") {
        if (!next.delete(address)) throw new Error(`No such file: ${rest.join(" ")}`);
      }
    }
    chains.clear();
    for (const chain of nextChains) chains.add(chain);
    elements.clear();
    for (const [address, chain] of next) elements.set(address, chain);
    if (kernel.isCutOff) throw new Error("killed after 5 s");
    return { stdout: "" };
  };
  return Object.assign(kernel, { run });
}

test("after a transaction of which the end was not heard, numbers go to other teams as before", async () => {
  const kernel = startStrictKernel();
  const options = { limits: { team: 40, teamPerSecond: 10 }, tableSize: 65_536 };
  const teams = new TeamConnections({ instance, runner: kernel.run, logger: silentLogger }, options);
  await teams.assign(1, "first", signal);
  kernel.isCutOff = true;
  await assert.rejects(teams.assign(2, "second", signal), /killed/);
  await teams.release(1);
  kernel.isCutOff = false;
  await teams.assign(2, "third", signal);
  await teams.assign(1, "second", signal);
  await teams.assign(3, "second", signal);
  assert.equal(kernel.elements.size, 3);
  assert.equal(new Set(kernel.elements.values()).size, 2);
  for (const number of [1, 2, 3]) await teams.release(number);
  assert.equal(kernel.elements.size, 0);
  assert.equal(kernel.chains.size, 0);
});
