import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { findConnection } from "../src/connection/find-connection.ts";
import type { ConnectionSources } from "../src/connection/find-connection.ts";
import { profileFile } from "../src/connection/profiles.ts";

const home = await mkdtemp("/tmp/wrenn-profiles-");
after(() => rm(home, { recursive: true, force: true }));

const stored = {
  current: "work",
  profiles: {
    work: { url: "https://wrenn.example", apiKey: "key-of-work" },
    here: { url: "http://localhost:8080", apiKey: "key-of-here" },
  },
};
const local = { url: "http://localhost:8080", apiKey: "key-of-local" };

const find = (sources: Partial<ConnectionSources>) =>
  findConnection({ env: {}, stored, findLocal: async () => undefined, ...sources });

const keyOf = async (sources: Partial<ConnectionSources>): Promise<string> => {
  const { url, credentials, source } = await find(sources);
  return `${url} ${"apiKey" in credentials ? credentials.apiKey : "login"} by ${source}`;
};

test("variables win over profiles, a named profile over the current one, that over the server of this machine", async () => {
  const env = { WRENN_URL: "http://env:1", WRENN_API_KEY: "key-of-env" };
  const findLocal = async () => local;
  assert.equal(await keyOf({ env, named: "here" }), "http://env:1 key-of-env by WRENN_URL and WRENN_API_KEY");
  assert.equal(await keyOf({ named: "here" }), "http://localhost:8080 key-of-here by profile here");
  assert.equal(
    await keyOf({ env: { WRENN_PROFILE: "here" } }),
    "http://localhost:8080 key-of-here by profile here",
  );
  assert.equal(await keyOf({ findLocal }), "https://wrenn.example key-of-work by profile work");
  assert.equal(
    await keyOf({ findLocal, stored: { profiles: {} } }),
    "http://localhost:8080 key-of-local by the server of this machine",
  );
});

test("a stored key is never sent to another server than its own", async () => {
  const env = { WRENN_URL: "http://other:1" };
  await assert.rejects(find({ env, findLocal: async () => local }), { code: "credentials_missing" });
  await assert.rejects(find({ env, named: "work" }), { code: "credentials_missing" });
  assert.equal(
    await keyOf({ env: { WRENN_URL: "http://127.0.0.1:8080" } }),
    "http://localhost:8080 key-of-here by profile here",
  );
});

test("a key of the environment takes the address of the profile, and says so", async () => {
  assert.equal(
    await keyOf({ env: { WRENN_API_KEY: "key-of-env" } }),
    "https://wrenn.example key-of-env by WRENN_API_KEY, with the address of profile work",
  );
  const nothing = { stored: { profiles: {} } };
  await assert.rejects(find({ ...nothing, env: { WRENN_API_KEY: "k" } }), { remedy: /Set WRENN_URL/ });
  await assert.rejects(find(nothing), { code: "no_server", remedy: /wrenn login/ });
});

test("a profile that is not there is named, with the near one", async () => {
  await assert.rejects(find({ named: "wrok" }), { code: "profile_unknown", remedy: "Did you mean 'work'?" });
});

test("profiles are kept for their owner only, and changes of several commands are all kept", async () => {
  const file = profileFile({ XDG_CONFIG_HOME: home }, "linux", "/nowhere");
  assert.deepEqual(await file.read(), { profiles: {} });
  const names = Array.from({ length: 20 }, (_, at) => `p${at}`);
  await Promise.all(
    names.map((name) =>
      file.update((state) => ({ ...state, profiles: { ...state.profiles, [name]: { url: "http://a:1" } } })),
    ),
  );
  assert.deepEqual(Object.keys((await file.read()).profiles).sort(), names.sort());
  assert.equal((await stat(file.path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(home, "wrenn"))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(home, "wrenn")), ["profiles.json"]);
  await chmod(file.path, 0o644);
  await assert.rejects(file.read(), { code: "state_file_exposed", remedy: /chmod 600/ });
  await chmod(file.path, 0o600);
  await writeFile(file.path, "{");
  await assert.rejects(file.read(), { code: "state_file_broken" });
});
