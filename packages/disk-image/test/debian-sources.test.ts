import assert from "node:assert/strict";
import { test } from "node:test";
import { proxiesOf, sourcesOf } from "../src/debian-sources.ts";

const targets = `http://mirror.example/debian/ bookworm main Debian
http://mirror.example/debian/ bookworm contrib Debian
http://mirror.example/debian/ bookworm-updates main Debian
http://mirror.example/debian/ bookworm-backports main Debian
http://mirror.example/debian-security/ bookworm-security main Debian
https://packages.example/prod/ bookworm main Somebody
http://mirror.example/debian/ bookworm main Debian
http://mirror.example/debian/ trixie main Debian
`;

test("an image comes from where the host gets that release, its updates and its security fixes", () => {
  assert.deepEqual(sourcesOf("bookworm", targets), [
    "deb http://mirror.example/debian/ bookworm main",
    "deb http://mirror.example/debian/ bookworm-updates main",
    "deb http://mirror.example/debian-security/ bookworm-security main",
  ]);
});

test("a release that the host does not have leaves the choice to mmdebstrap", () => {
  assert.deepEqual(sourcesOf("forky", targets), []);
  assert.deepEqual(sourcesOf("bookworm", ""), []);
  assert.deepEqual(sourcesOf("bookworm", "http://mirror.example/ bookworm-updates main Debian\n"), []);
});

test("a host's proxies are apt options; an empty one is none", () => {
  const names = ["Acquire::http::Proxy", "Acquire::https::Proxy"];
  assert.deepEqual(proxiesOf("Acquire::http::Proxy=http://p.example:3128\nAcquire::https::Proxy=\n", names), [
    'Acquire::http::Proxy "http://p.example:3128";',
  ]);
});
