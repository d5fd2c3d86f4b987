import assert from "node:assert/strict";
import { test } from "node:test";
import { randomHex, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { ImportedImage, ImportProgress } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { chunks, rejects } from "./contract-lab.ts";
import type { ContractLab } from "./contract-lab.ts";

/** Imports of images of registries. */
export function imageContract(name: string, lab: ContractLab): void {
  const { agent, signal, subject } = lab;
  const { reference } = subject.image;
  const request = (reference: string) => ({ id: randomHex(systemRandom, 8), reference });

  test(`${name}: an image is a template, also when it is imported again; it is not among those of the host`, async () => {
    const image = await agent.importImage(request(reference), signal);
    assert.ok(Value.Check(ImportedImage, image));
    assert.deepEqual(await agent.importImage(request(reference), signal), image);
    const { template, diskMib } = image;
    const id = await lab.capsule({ template, diskMib });
    assert.equal((await agent.capsule(id, signal)).template, template);
    await agent.destroyCapsule(id, signal);
    const listed = await agent.listTemplates(signal);
    assert.ok(!listed.some((one) => one.name === template));
  });

  test(`${name}: an image that no registry has is an error, and so is a template of no image`, async () => {
    await rejects(() => agent.importImage(request("none.example/none:1"), signal), "image_not_found", /none/);
    await rejects(() => lab.capsule({ template: `image-${"f".repeat(32)}` }), "template_not_found");
  });

  test(`${name}: an archive is imported under its id until it is dropped, and one that breaks off is not there`, async () => {
    const archived = (id: string) => ({ ...request("file.tar"), archive: { id } });
    const [whole, broken] = [randomHex(systemRandom, 8), randomHex(systemRandom, 8)];
    const half = subject.image.archive.subarray(0, 5);
    await agent.receiveImage(whole, chunks(half, subject.image.archive.subarray(5)), signal);
    const image = await agent.importImage(archived(whole), signal);
    assert.ok(Value.Check(ImportedImage, image));
    assert.deepEqual(await agent.importImage(archived(whole), signal), image);
    await assert.rejects(agent.receiveImage(broken, chunks(half, new Error("cut off")), signal), /cut off/);
    await rejects(() => agent.importImage(archived(broken), signal), "image_archive_invalid", /file\.tar/);
    await agent.dropImage(whole, signal);
    await agent.dropImage(whole, signal);
    await rejects(() => agent.importImage(archived(whole), signal), "image_archive_invalid");
  });

  test(`${name}: progress is that of the caller's id while its import is under way; an abort ends it`, async () => {
    const wanted = request(subject.image.slowReference);
    const aborting = new AbortController();
    const progress = () => agent.importProgress(wanted.id, signal);
    assert.equal(await progress(), undefined);
    const importing = agent.importImage(wanted, aborting.signal);
    importing.catch(() => {});
    await eventually("the import has progress", async () => Value.Check(ImportProgress, await progress()));
    assert.equal(await agent.importProgress(request(reference).id, signal), undefined);
    aborting.abort(new Error("enough"));
    await assert.rejects(importing, /enough/);
    await eventually("the import has ended", async () => (await progress()) === undefined);
  });
}
