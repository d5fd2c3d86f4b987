import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { readRegistries, trustedHosts } from "../src/config/registries.ts";
import { credentialsIn, fileCredentials } from "../src/images/registry-credentials.ts";

const root = await mkdtemp("/tmp/wrenn-registries-");
after(() => rm(root, { recursive: true, force: true }));

test("registries, mirrors and hosts are read from the environment", () => {
  assert.deepEqual(readRegistries({}), { mirrors: {}, plainHttp: [], privateHosts: [] });
  const config = readRegistries({
    WRENN_REGISTRY_DEFAULT: "Registry.example.org",
    WRENN_REGISTRY_MIRRORS:
      "docker.io=https://mirror.example.org/hub, docker.io=cache:5000, ghcr.io=http://10.0.0.1",
    WRENN_REGISTRY_PLAIN_HTTP: "old.example.org:5000,[fd00::1]:5000",
    WRENN_REGISTRY_PRIVATE: "registry.corp",
    WRENN_REGISTRY_CONFIG: "/etc/wrenn/registries.json",
    https_proxy: "proxy.example.org:3128",
    NO_PROXY: "registry.corp",
    HTTP_PROXY: "",
  });
  assert.deepEqual(config, {
    defaultRegistry: "registry.example.org",
    mirrors: {
      "docker.io": ["https://mirror.example.org/hub", "cache:5000"],
      "ghcr.io": ["http://10.0.0.1"],
    },
    plainHttp: ["old.example.org:5000", "[fd00::1]:5000"],
    privateHosts: ["registry.corp"],
    credentialsFile: "/etc/wrenn/registries.json",
    proxies: { https_proxy: "http://proxy.example.org:3128", NO_PROXY: "registry.corp" },
  });
  assert.deepEqual(
    [...trustedHosts(config)],
    [
      "mirror.example.org",
      "cache:5000",
      "10.0.0.1",
      "old.example.org:5000",
      "[fd00::1]:5000",
      "registry.corp",
    ],
  );
});

test("settings that do not parse are errors that name them", () => {
  for (const [name, value] of [
    ["WRENN_REGISTRY_DEFAULT", "a.example,b.example"],
    ["WRENN_REGISTRY_DEFAULT", "https://a.example"],
    ["WRENN_REGISTRY_MIRRORS", "docker.io"],
    ["WRENN_REGISTRY_MIRRORS", "docker.io=https://user:secret@mirror.example"],
    ["WRENN_REGISTRY_MIRRORS", "docker.io=ftp://mirror.example"],
    ["WRENN_REGISTRY_PLAIN_HTTP", "registry/path"],
    ["WRENN_REGISTRY_PRIVATE", "10.0.0.0/8"],
    ["HTTPS_PROXY", "socks5://proxy.example.org"],
    ["http_proxy", "http://["],
  ] as const)
    assert.throws(() => readRegistries({ [name]: value }), {
      reason: "invalid_field",
      message: new RegExp(name),
    });
});

test("passwords are found in a file of Docker by the host of the registry", async () => {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const auths = {
    "https://index.docker.io/v1/": { auth: base64("hub:with:colons") },
    "registry.example.org:5000": { username: "plain", password: "word" },
    "https://tokens.example.org/v2/": { registrytoken: "abc" },
    "helper.example.org": {},
  };
  const path = join(root, "config.json");
  await writeFile(path, JSON.stringify({ auths, credsStore: "desktop" }));
  const lookUp = fileCredentials(path);
  assert.deepEqual(await lookUp("docker.io", "library/python"), { username: "hub", password: "with:colons" });
  assert.deepEqual(await lookUp("registry.example.org:5000", "a"), { username: "plain", password: "word" });
  assert.deepEqual(await lookUp("tokens.example.org", "a"), { token: "abc" });
  assert.equal(await lookUp("helper.example.org", "a"), undefined);
  assert.equal(await lookUp("registry.example.org", "a"), undefined);
  assert.equal(credentialsIn("{}", path).size, 0);
});

test("a file of passwords that cannot be read is an error without its content", async () => {
  const path = join(root, "broken.json");
  await writeFile(path, '{"auths": {"a.example": {"auth": "c2VjcmV0OnNlY3JldA=="}},');
  await assert.rejects(
    async () => await fileCredentials(path)("a.example", "a"),
    (error: Error) => {
      assert.match(error.message, /broken\.json.*not JSON/);
      return !error.message.includes("c2VjcmV0");
    },
  );
  await assert.rejects(async () => await fileCredentials(join(root, "none"))("a.example", "a"), /ENOENT/);
});
