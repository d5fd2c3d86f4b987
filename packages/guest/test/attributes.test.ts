import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { ATTRIBUTE_PATHS } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/tmp/wrenn-attributes-");
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});
const { files } = guestLink;
const at = (name: string): string => join(root, name);

test("a prefix below user., and as many files as a request may name, links among them", async () => {
  await writeFile(at("file"), "");
  await symlink("file", at("link"));
  const attributes = { "user.x.key": "value", "user.x.empty": "", "user.x.text": "ein Häuschen\nmit Garten" };
  await files.setAttributes(at("link"), "user.x.", attributes, { signal });
  const paths = Array.from({ length: ATTRIBUTE_PATHS }, (_, index) => at(index % 2 === 0 ? "file" : "none"));
  const found = await files.attributes(paths, "user.x.", { signal });
  assert.equal(found.length, ATTRIBUTE_PATHS);
  assert.deepEqual([found[0], found[1], found.at(-2)], [attributes, {}, attributes]);
  assert.deepEqual(await files.attributes([], "user.x.", { signal }), []);
  const isRefused = (error: unknown): boolean => WrennError.is(error, "guest_protocol");
  for (const prefix of ["user.", "security.x", ""]) {
    await assert.rejects(files.attributes([at("file")], prefix, { signal }), isRefused);
    await assert.rejects(files.setAttributes(at("file"), prefix, {}, { signal }), isRefused);
  }
  const foreign = files.setAttributes(at("file"), "user.x.", { "user.y.a": "1" }, { signal });
  await assert.rejects(foreign, isRefused);
});

test("a user sets attributes of files that it may write, and sees those of files that it may read", async () => {
  await chmod(root, 0o755);
  await writeFile(at("owned"), "");
  await chmod(at("owned"), 0o600);
  await files.setAttributes(at("owned"), "user.x.", { "user.x.a": "1" }, { signal });
  const nobody = { user: "nobody", signal };
  assert.deepEqual(await files.attributes([at("owned")], "user.x.", nobody), [{}]);
  const set = files.setAttributes(at("owned"), "user.x.", { "user.x.a": "2" }, nobody);
  await assert.rejects(set, (error) => WrennError.is(error, "permission_denied"));
  assert.deepEqual(await files.attributes([at("owned")], "user.x.", { signal }), [{ "user.x.a": "1" }]);
  await assert.rejects(
    files.setAttributes(at("owned"), "user.x.", {}, { user: "nobody-here", signal }),
    (error) => WrennError.is(error, "user_not_found"),
  );
});

test("attributes without room are refused as a full disk is", async () => {
  await writeFile(at("full"), "");
  const large = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`user.x.${index}`, "x".repeat(60_000)]),
  );
  await assert.rejects(
    files.setAttributes(at("full"), "user.x.", large, { signal }),
    (error) => WrennError.is(error, "disk_full_in_capsule") || WrennError.is(error, "file_operation_failed"),
  );
});
