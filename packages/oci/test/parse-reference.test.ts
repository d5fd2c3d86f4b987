import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WrennError } from "@wrenn/core";
import { formatReference, parseReference } from "@wrenn/oci";

const SHA = `sha256:${"0123456789abcdef".repeat(4)}`;
const SHA_512 = `sha512:${"a".repeat(128)}`;

const valid: Readonly<Record<string, string>> = {
  python: "docker.io/library/python:latest",
  "python:3.12": "docker.io/library/python:3.12",
  "team/app": "docker.io/team/app:latest",
  "docker.io/python": "docker.io/library/python:latest",
  "docker.io/library/python:3": "docker.io/library/python:3",
  "index.docker.io/team/app": "docker.io/team/app:latest",
  "registry-1.docker.io/python": "docker.io/library/python:latest",
  "ghcr.io/team/app:v1": "ghcr.io/team/app:v1",
  "GHCR.io/team/app:v1": "ghcr.io/team/app:v1",
  "localhost/app": "localhost/app:latest",
  "localhost:5000/a/b:tag": "localhost:5000/a/b:tag",
  [`localhost:5000/a/b:tag@${SHA}`]: `localhost:5000/a/b:tag@${SHA}`,
  "host:5000/x": "host:5000/x:latest",
  "10.0.0.1:5000/x:v1": "10.0.0.1:5000/x:v1",
  "[::1]:5000/x:v1": "[::1]:5000/x:v1",
  // Without a slash, what follows the colon is a tag.
  "localhost:5000": "docker.io/library/localhost:5000",
  [`python@${SHA}`]: `docker.io/library/python@${SHA}`,
  [`python@${SHA_512}`]: `docker.io/library/python@${SHA_512}`,
  "a.b/c--d/e__f/g.h_i:_T.a-g": "a.b/c--d/e__f/g.h_i:_T.a-g",
};
for (const [text, full] of Object.entries(valid))
  test(`${text.slice(0, 60)} is ${full.slice(0, 60)}`, () => {
    assert.equal(formatReference(parseReference(text)), full);
    assert.equal(formatReference(parseReference(full)), full);
  });

test("the default registry is for references that name none", () => {
  const options = { defaultRegistry: "registry.local:5000" };
  assert.equal(formatReference(parseReference("python:3", options)), "registry.local:5000/python:3");
  assert.equal(formatReference(parseReference("ghcr.io/a/b", options)), "ghcr.io/a/b:latest");
});

const invalid: readonly (readonly [text: string, position: number, problem: RegExp])[] = [
  ["", 1, /empty/],
  ["https://ghcr.io/a", 1, /has no https:\/\//],
  ["Python", 1, /lower case/],
  ["team/App:v1", 6, /lower case/],
  ["a//b", 3, /component of the repository is empty/],
  ["a/", 3, /empty/],
  ["/a", 1, /empty/],
  ["a b", 2, /" " is not allowed/],
  ["a:", 3, /tag is empty/],
  ["a:b/c:d e", 8, /" " is not allowed in a tag/],
  ["a:.b", 3, /tag begins/],
  ["a:b:c", 4, /":" is not allowed in a tag/],
  [`a:${"t".repeat(129)}`, 131, /longer than 128/],
  ["a..b", 1, /separator/],
  ["-a", 1, /separator/],
  ["a@", 3, /must begin with sha256/],
  ["a@sha256:12", 3, /64 hexadecimal digits/],
  [`a@${SHA.toUpperCase()}`, 3, /must begin/],
  [`a@md5:${"0".repeat(32)}`, 3, /must begin/],
  ["host_a:5000/x", 1, /not a registry host/],
  [".a/x", 1, /not a registry host/],
  ["../../etc/passwd", 1, /not a registry host/],
  ["a.b/../x", 5, /separator/],
  ["a".repeat(300), 256, /longer than 255/],
  ["a".repeat(5000), 1025, /longer than 1024/],
  ["ä", 1, /not allowed/],
  ["a\u0000b", 2, /not allowed/],
];
for (const [text, position, problem] of invalid)
  test(`${JSON.stringify(text.slice(0, 40))} is refused at character ${position}`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => {
        assert.ok(WrennError.is(error, "image_reference_invalid"));
        assert.equal(error.context["position"], position, error.message);
        assert.match(error.message, problem);
        return true;
      },
    );
  });

test("any text is a reference that reads the same again, or is refused at a place in it", () => {
  const pieces = fc.constantFrom(
    ..."a b A . .. / : @ - _ 5000 localhost docker.io sha256: [::1] ä \0".split(" "),
    SHA,
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 10 }), (all) => {
      const text = all.join("");
      try {
        const full = formatReference(parseReference(text));
        assert.equal(formatReference(parseReference(full)), full);
      } catch (error) {
        assert.ok(WrennError.is(error, "image_reference_invalid"), String(error));
        const position = Number(error.context["position"]);
        assert.ok(position >= 1 && position <= text.length + 1);
      }
    }),
    { numRuns: 2000 },
  );
});
