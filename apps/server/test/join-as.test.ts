import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, WrennError } from "@wrenn/core";
import { ControlPlaneRefusal } from "@wrenn/host-link";
import type { HostState } from "@wrenn/host-link";
import { joinAs } from "../src/join-as.ts";

const { signal } = new AbortController();
const url = "https://wrenn.example.org";
const state = (hostId: string, token: string): HostState => ({
  url,
  hostId,
  token,
  refreshToken: "r",
  keyPem: "k",
  certPem: "c",
  caPem: "a",
  issuedAt: 0,
});
const known = state("host-a", "first");

async function join(
  before: HostState | undefined,
  token: string | undefined,
  register: () => Promise<HostState>,
): Promise<HostState> {
  return await joinAs({ known: before, url, token }, silentLogger, register, signal);
}

test("a machine that has joined stays the host that it is, whatever token it is given", async () => {
  const refused = new ControlPlaneRefusal(409, "the token is of another host", "host_joined_as_other");
  const registers = [
    async () => await Promise.reject<HostState>(refused),
    // As a control plane of an earlier release does.
    async () => state("host-b", "other"),
  ];
  for (const register of registers) {
    const error: unknown = await join(known, "token", register).catch((problem: unknown) => problem);
    assert.ok(WrennError.is(error, "host_joined_as_other"), String(error));
    assert.match(error.message, /host-a/);
  }
});

test("with another token of the same host it registers again; one that was used up is no reason to stop", async () => {
  const renewed = state("host-a", "second");
  assert.equal(await join(known, "token", async () => renewed), renewed);
  const used = new ControlPlaneRefusal(401, "invalid or expired host token", "host_token_invalid");
  assert.deepEqual(await join(known, "token", async () => await Promise.reject<HostState>(used)), known);
  await assert.rejects(
    join(undefined, "token", async () => await Promise.reject<HostState>(used)),
    used,
  );
  await assert.rejects(
    join(undefined, undefined, async () => renewed),
    { reason: "join_incomplete" },
  );
  assert.equal(await join(undefined, "token", async () => renewed), renewed);
});
