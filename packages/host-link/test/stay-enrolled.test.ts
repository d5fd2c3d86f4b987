import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemClock, WrennError } from "@wrenn/core";
import { ControlPlaneRefusal, stayEnrolled } from "@wrenn/host-link";
import type { HostState, StayEnrolledOptions } from "@wrenn/host-link";

const HOUR = 3_600_000;

/** A control plane that answers each heartbeat as the test says; time goes on by an hour with each. */
function fixture(answers: readonly (Error | "fine")[]) {
  let now = 0;
  const seen: string[] = [];
  const kept: HostState[] = [];
  const left = [...answers];
  let serial = 0;
  const options: StayEnrolledOptions = {
    clock: { ...systemClock, now: () => now, sleep: async () => void (now += HOUR) },
    logger: silentLogger,
    newRequest: async () => ({ keyPem: `key ${++serial}`, csrPem: `csr ${serial}` }),
    renewed: async (state) => void kept.push(state),
    client: {
      heartbeat: async (_id, token) => {
        seen.push(token);
        const answer = left.shift() ?? new ControlPlaneRefusal(404, "gone", "host_not_found");
        if (answer !== "fine") throw answer;
      },
      refresh: async (refreshToken, csr) => ({
        host: { id: "host-1" },
        token: `token for ${csr}`,
        refresh_token: `${refreshToken}+`,
        cert_pem: `cert for ${csr}`,
        ca_cert_pem: "ca",
      }),
    },
  };
  const state: HostState = {
    url: "http://cp",
    hostId: "host-1",
    token: "first",
    refreshToken: "r",
    keyPem: "key 0",
    certPem: "cert",
    caPem: "ca",
    issuedAt: 0,
  };
  return { options, state, seen, kept };
}

const never = new AbortController().signal;
const away = (): Error => new WrennError("control_plane_unreachable", { url: "http://cp" });

test("heartbeats go on through every failure, until the host is deleted", async () => {
  const { options, state, seen, kept } = fixture([
    "fine",
    away(),
    new ControlPlaneRefusal(500, "?"),
    away(),
    "fine",
  ]);
  assert.equal(await stayEnrolled(state, options, never), "deleted");
  assert.deepEqual(
    seen,
    Array.from({ length: 6 }, () => "first"),
  );
  assert.deepEqual(kept, []);
});

test("token and certificate are renewed when two thirds of their week are over, with a new key", async () => {
  const { options, state, seen, kept } = fixture(Array.from({ length: 240 }, () => "fine" as const));
  await stayEnrolled(state, options, never);
  assert.equal(kept.length, 2, "240 hours hold two renewals");
  assert.deepEqual(
    kept.map(({ keyPem, certPem, refreshToken }) => [keyPem, certPem, refreshToken]),
    [
      ["key 1", "cert for csr 1", "r+"],
      ["key 2", "cert for csr 2", "r++"],
    ],
  );
  assert.ok((kept[0]?.issuedAt ?? 0) <= 113 * HOUR);
  assert.equal(seen.at(-1), "token for csr 2");
});

test("a token that is refused is renewed at once; when that fails too, it is tried again", async () => {
  const { options, state, kept } = fixture([
    new ControlPlaneRefusal(401, "over"),
    new ControlPlaneRefusal(401, "over"),
    "fine",
  ]);
  let refusals = 1;
  const { refresh } = options.client;
  const client: StayEnrolledOptions["client"] = {
    heartbeat: options.client.heartbeat,
    refresh: async (...args) => {
      if (refusals-- > 0) throw away();
      return await refresh(...args);
    },
  };
  await stayEnrolled(state, { ...options, client }, never);
  assert.equal(kept.length, 1);
});

test("it ends with the signal's reason", async () => {
  const { options, state } = fixture(["fine"]);
  const reason = new Error("stopping");
  await assert.rejects(stayEnrolled(state, options, AbortSignal.abort(reason)), reason);
});

test("only a control plane's word that the host was deleted ends it: 404 is said by other programs, too", async () => {
  const { options, state, seen } = fixture([
    new ControlPlaneRefusal(404, "no such page"),
    new ControlPlaneRefusal(404, "no route", "route_not_found"),
    "fine",
  ]);
  assert.equal(await stayEnrolled(state, options, never), "deleted");
  assert.equal(seen.length, 4);
});
