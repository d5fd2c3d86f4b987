import assert from "node:assert/strict";
import { test } from "node:test";
import { randomHex, systemRandom } from "@wrenn/core";
import { TemplateCopyState, TemplateManifest } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { collect, rejects } from "./contract-lab.ts";
import type { ContractLab } from "./contract-lab.ts";

/** Copies of templates between hosts: here from a host to itself, under another key. */
export function templateCopyContract(name: string, lab: ContractLab): void {
  const { agent, signal } = lab;
  const newKey = (): string => `tpl-${randomHex(systemRandom, 8)}`;

  const template = async (): Promise<string> => {
    const key = newKey();
    const id = await lab.capsule();
    await agent.pauseCapsule(id, signal);
    await agent.createSnapshot(id, { key, ownPrograms: false }, signal);
    await agent.destroyCapsule(id, signal);
    return key;
  };

  test(`${name}: a template is described, sent in parts, and a template as soon as the copy is finished`, async () => {
    const source = await template();
    const described = await agent.describeTemplate(source, signal);
    assert.ok(Value.Check(TemplateManifest, described));
    assert.deepEqual(await agent.describeTemplate(source, signal), described);
    assert.equal((await agent.beginTemplateCopy(described, signal)).isReady, true);
    const key = newKey();
    const manifest = { ...described, key };
    const state = await agent.beginTemplateCopy(manifest, signal);
    assert.ok(Value.Check(TemplateCopyState, state));
    assert.ok(!state.isReady && state.missing.length > 0);
    for (const { digest, fromBlock } of state.missing) {
      await rejects(() => agent.finishTemplateCopy(key, signal), "template_copy_invalid", /not complete/);
      const content = await agent.readTemplatePart({ key: source, digest, fromBlock }, signal);
      await agent.writeTemplatePart({ key, digest, fromBlock }, content, signal);
    }
    assert.deepEqual(await agent.beginTemplateCopy(manifest, signal), { isReady: false, missing: [] });
    await rejects(() => lab.capsule({ template: key }), "template_not_found");
    const facts = await agent.finishTemplateCopy(key, signal);
    assert.deepEqual([facts.name, facts.vcpus, facts.memoryMib], [key, 1, 64]);
    assert.deepEqual(await agent.finishTemplateCopy(key, signal), facts);
    await agent.deleteSnapshot(source, signal);
    const id = await lab.capsule({ template: key });
    await rejects(() => agent.deleteSnapshot(key, signal), "template_in_use", new RegExp(id));
    await agent.destroyCapsule(id, signal);
    await agent.deleteSnapshot(key, signal);
  });

  test(`${name}: what is no template cannot be copied, and an abandoned copy is none`, async () => {
    const source = await template();
    const described = await agent.describeTemplate(source, signal);
    const { digest } = described.parts[0] ?? assert.fail();
    const range = { key: newKey(), digest, fromBlock: 0 };
    await rejects(() => agent.describeTemplate(range.key, signal), "template_not_found");
    await rejects(
      async () => await collect(await agent.readTemplatePart(range, signal)),
      "template_not_found",
    );
    await rejects(() => agent.writeTemplatePart(range, nothing(), signal), "template_not_found");
    await rejects(() => agent.finishTemplateCopy(range.key, signal), "template_not_found");
    await agent.abandonTemplateCopy(range.key, signal);
    await agent.beginTemplateCopy({ ...described, key: range.key }, signal);
    await agent.abandonTemplateCopy(range.key, signal);
    await rejects(() => agent.finishTemplateCopy(range.key, signal), "template_not_found");
    await agent.deleteSnapshot(source, signal);
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
