import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";
import { Context } from "../src/context.ts";
import type { Terminal } from "../src/context.ts";
import { keysOf } from "../src/programs/open-terminal.ts";
import { set } from "../src/verbs/config.ts";

const home = await mkdtemp("/tmp/wrenn-keys-");
after(() => rm(home, { recursive: true, force: true }));

/** A command with these variables, after `profiles` were stored. */
function contextOf(env: Readonly<Record<string, string>>, profile?: string): Context {
  const stream = new PassThrough();
  const terminal = { env: { XDG_CONFIG_HOME: home, ...env }, stdin: stream, stdout: stream, stderr: stream };
  const setup = { findLocal: async () => await Promise.resolve(undefined) };
  const options = profile === undefined ? {} : { profile };
  return new Context(terminal as unknown as Terminal, setup, options, new AbortController());
}

const chosen = async (context: Context, detachKeys?: string): Promise<string | undefined> =>
  (await keysOf(context, detachKeys === undefined ? {} : { detachKeys }))?.text;

test("detach keys are those of the option, else of the variable, else of the profile, else the default", async () => {
  const url = "http://127.0.0.1:9";
  const profiles = {
    work: { url, apiKey: "key-of-work" },
    other: { url: `${url}9`, apiKey: "key-of-other" },
  };
  await contextOf({}).profiles.update(() => ({ current: "work", profiles }));
  assert.equal(await chosen(contextOf({})), "ctrl-p,ctrl-q");
  await set(contextOf({}), "detach_keys", "ctrl-a,d");
  await set(contextOf({}, "other"), "detach_keys", "none");
  assert.equal(await chosen(contextOf({})), "ctrl-a,d");
  assert.equal(await chosen(contextOf({}, "other")), undefined);
  assert.equal(await chosen(contextOf({ WRENN_PROFILE: "other" })), undefined);
  // The profile of this address, which is not the current one; and the current one where no profile has the credentials.
  assert.equal(await chosen(contextOf({ WRENN_URL: `${url}9` })), undefined);
  assert.equal(await chosen(contextOf({ WRENN_URL: "http://else:1", WRENN_API_KEY: "k" })), "ctrl-a,d");
  const variable = { WRENN_DETACH_KEYS: "ctrl-]" };
  assert.equal(await chosen(contextOf(variable)), "ctrl-]");
  assert.equal(await chosen(contextOf({ WRENN_DETACH_KEYS: "" })), "ctrl-a,d");
  assert.equal(await chosen(contextOf(variable), "~,."), "~,.");
  assert.equal(await chosen(contextOf(variable), "none"), undefined);
  await set(contextOf({}), "detach_keys", undefined);
  assert.equal(await chosen(contextOf({})), "ctrl-p,ctrl-q");
  assert.equal((await contextOf({}).profiles.read()).profiles["work"]?.apiKey, "key-of-work");
});

test("a setting, a profile or keys that are not valid are refused, and nothing is stored", async () => {
  await contextOf({}).profiles.update(() => ({ profiles: { default: { url: "http://127.0.0.1:9" } } }));
  await assert.rejects(set(contextOf({}), "detachKeys", "x"), {
    code: "setting_unknown",
    remedy: /detach_keys/,
  });
  await assert.rejects(set(contextOf({}), "detach_keys", "ctrl-1"), { code: "detach_keys_invalid" });
  await assert.rejects(set(contextOf({}, "work"), "detach_keys", "x"), { code: "profile_unknown" });
  assert.deepEqual((await contextOf({}).profiles.read()).profiles, {
    default: { url: "http://127.0.0.1:9" },
  });
});
