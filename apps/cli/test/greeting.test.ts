import assert from "node:assert/strict";
import { test } from "node:test";
import { greeting } from "../src/output/greeting.ts";

const apiKey = `wrn_${"a".repeat(32)}`;
const firstAdminToken = "b".repeat(64);
const server = {
  url: "http://127.0.0.1:8080",
  pathPortsUrl: undefined,
  apiKey,
  firstAdminToken,
  secretFiles: { apiKey: "/data/local-client.json", firstAdminToken: "/data/first-admin-token" },
  close: async () => {},
};

test("key and token are printed to a terminal", () => {
  const text = greeting(server, { seconds: "1.0", isTerminal: true, hasDashboard: false });
  assert.match(text, new RegExp(`API key +${apiKey}\n`));
  assert.match(text, new RegExp(`admin +${firstAdminToken}\n`));
});

test("anything else than a terminal gets the names of the files that have them", () => {
  const text = greeting(server, { seconds: "1.0", isTerminal: false, hasDashboard: false });
  assert.ok(!text.includes(apiKey) && !text.includes(firstAdminToken), text);
  assert.match(text, /API key +in \/data\/local-client\.json\n/);
  assert.match(text, /the token in \/data\/first-admin-token\n/);
  const later = greeting(
    { ...server, firstAdminToken: undefined },
    { seconds: "1.0", isTerminal: false, hasDashboard: false },
  );
  assert.doesNotMatch(later, /admin/);
});

test("with a dashboard a terminal gets a link that creates the first administrator, and others its address alone", () => {
  const options = { seconds: "1.0", hasDashboard: true };
  const link = `http://localhost:8080/welcome#${firstAdminToken}`;
  assert.ok(greeting(server, { ...options, isTerminal: true }).includes(`  Open  ${link}\n`));
  const logged = greeting(server, { ...options, isTerminal: false });
  assert.ok(!logged.includes(firstAdminToken), logged);
  assert.match(logged, /pages +http:\/\/localhost:8080\/\n/);
  const later = greeting({ ...server, firstAdminToken: undefined }, { ...options, isTerminal: true });
  assert.match(later, /pages +http:\/\/localhost:8080\/\n/);
  assert.doesNotMatch(later, /welcome|admin/);
});

test("a server on the loopback interface is named localhost, since names of ports are made of it", () => {
  const urlOf = (url: string): string =>
    /URL +(\S+)/.exec(
      greeting({ ...server, url }, { seconds: "1.0", isTerminal: true, hasDashboard: false }),
    )?.[1] ?? "";
  assert.equal(urlOf("http://127.0.0.1:8080"), "http://localhost:8080");
  assert.equal(urlOf("http://[::1]:8080"), "http://localhost:8080");
  for (const other of ["http://192.0.2.1:8080", "http://127.0.0.10:8080", "http://wrenn.example.org:80"])
    assert.equal(urlOf(other), other);
});

test("a server whose first key is elsewhere shows how to log in before the first commands", () => {
  const text = greeting(
    { ...server, apiKey: undefined },
    { seconds: "1.0", isTerminal: true, hasDashboard: false },
  );
  assert.match(text, /\n {4}\.\/wrenn login --url http:\/\/localhost:8080\n {4}\.\/wrenn create /);
  assert.match(text, /clients +http:\/\/localhost:8080\/download /);
});
