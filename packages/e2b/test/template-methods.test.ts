import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import * as current from "e2b";
import * as earlier from "e2b-2-45";
import { E2bLab } from "./support/e2b-lab.ts";
import { RecordedMethods } from "./support/recorded-methods.ts";

const clients = [
  ["e2b 2.51.0", "current", current],
  ["e2b 2.45.0", "earlier", earlier as unknown as typeof current],
] as const;

/** What the declarations of the builder do not show to users. */
const INTERNAL = new Set([
  "collectStackTrace",
  "toJSON",
  "toDockerfile",
  "build",
  "instructionsWithHashes",
  "serialize",
]);

describe("every method of templates through the published clients", () => {
  let lab: E2bLab;
  let context: string;
  before(async () => {
    lab = await E2bLab.start();
    context = await mkdtemp(join(tmpdir(), "e2b-methods-"));
    for (const name of ["one.txt", "two.txt"]) await writeFile(join(context, name), `${name}\n`);
  });
  after(async () => {
    await rm(context, { recursive: true, force: true });
    await lab[Symbol.asyncDispose]();
  });

  for (const [name, alias, { Template, TemplateBase }] of clients)
    test(name, async () => {
      const { options } = lab;
      const methods = new RecordedMethods();
      const empty = Template({ fileContextPath: context });
      // What users call without `new` reads the methods of the class.
      methods.watch("Template", TemplateBase, new Set(["resolveOpts"]));
      methods.watch("builder", Object.getPrototypeOf(empty) as object, INTERNAL);

      const whole = Template({ fileContextPath: context })
        .fromTemplate("minimal")
        .copy("one.txt", "/srv/")
        .copyItems([{ src: "two.txt", dest: "/srv/" }])
        .rename("/srv/one.txt", "/srv/first.txt")
        .remove("/srv/two.txt")
        .makeDir("/srv/deep")
        .makeSymlink("/srv/first.txt", "/srv/link")
        .setEnvs({ MODE: "built" })
        .setUser("user")
        .setWorkdir("/srv/deep")
        .skipCache()
        .runCmd("true; echo from the build; true")
        .aptInstall("jq")
        .pipInstall("six")
        .npmInstall("ms")
        .bunInstall("ms")
        .gitClone("https://git.example.test/one.git", "/srv/one")
        .setReadyCmd("true");
      const background = await Template.buildInBackground(whole, `${alias}-whole`, options);
      const status = async () => await Template.getBuildStatus(background, { ...options, logsOffset: 0 });
      await eventually("it is built", async () => {
        const { status: now, reason } = await status();
        assert.notEqual(now, "error", JSON.stringify(reason));
        return now === "ready";
      });
      const texts = (await status()).logEntries.map(({ message }) => message);
      assert.ok(texts.includes("from the build"), texts.join("\n"));
      const commands = lab.builder.last?.steps.map(({ cmd }) => cmd).join("\n") ?? "";
      for (const part of [
        "mv /srv/one.txt /srv/first.txt",
        "rm /srv/two.txt",
        "mkdir -p /srv/deep",
        "ln -s /srv/first.txt /srv/link",
        "apt-get install",
        "pip install",
        "npm install",
        "bun install",
        "git clone",
        "WORKDIR /srv/deep",
        'ENV MODE="built"',
        "USER user",
      ])
        assert.ok(commands.includes(part), `${part}: ${commands}`);

      const built = await Template.build(
        Template().fromTemplate(`${alias}-whole`).setStartCmd("sleep infinity", "true"),
        `${alias}-started`,
        options,
      );
      assert.equal(built.name, `${alias}-started`);
      assert.deepEqual(lab.builder.last?.config.entrypoint, ["/bin/bash", "-c", "sleep infinity"]);
      assert.equal(await Template.exists(built.name, options), true);
      assert.equal(await Template.aliasExists("nothing", options), false);
      await Template.assignTags(`${built.name}:default`, ["stable"], options);
      const tags = async () => (await Template.getTags(built.name, options)).map(({ tag }) => tag);
      assert.deepEqual(await tags(), ["default", "stable"]);
      await Template.removeTags(built.name, ["stable"], options);
      assert.deepEqual(await tags(), ["default"]);

      // Where a template begins is what the server resolves: images that hosts pull, and the base by its image.
      const bases = [
        [Template().fromDebianImage("12"), "docker.io/library/debian:12"],
        [Template().fromUbuntuImage("24.04"), "docker.io/library/ubuntu:24.04"],
        [Template().fromFedoraImage("42"), "docker.io/library/fedora:42"],
        [Template().fromAlpineImage("3.22"), "docker.io/library/alpine:3.22"],
        [Template().fromArchImage("latest"), "docker.io/library/archlinux:latest"],
        [Template().fromPythonImage("3.13"), "docker.io/library/python:3.13"],
        [Template().fromNodeImage("24"), "docker.io/library/node:24"],
        [Template().fromBunImage("1.3"), "docker.io/oven/bun:1.3"],
        [Template().fromImage("registry.example.test/team/tool:v1"), "registry.example.test/team/tool:v1"],
        [Template().fromDockerfile("FROM debian:13\nRUN true"), "docker.io/library/debian:13"],
      ] as const;
      for (const [template, image] of bases) {
        assert.match(Template.toDockerfile(template), /^FROM \S+/);
        // No host of this lab pulls images: what it would pull is named.
        await assert.rejects(Template.build(template, `${alias}-image`, options), {
          name: "BuildError",
          message: `image not found: ${image}`,
        });
      }
      const base = JSON.parse(await Template.toJSON(Template().fromBaseImage())) as { fromImage?: string };
      assert.equal(base.fromImage, "e2bdev/base");
      const logins = [
        Template().fromAWSRegistry("registry.example.test/one", {
          accessKeyId: "a",
          secretAccessKey: "b",
          region: "c",
        }),
        Template().fromGCPRegistry("registry.example.test/one", { serviceAccountJSON: {} }),
      ];
      for (const template of logins)
        await assert.rejects(Template.build(template, `${alias}-login`, options), /400|registry/);

      const hosted = Template().fromTemplate("minimal");
      assert.throws(() => hosted.addMcpServer("exa"), /mcp/i);
      assert.throws(() => hosted.betaDevContainerPrebuild("/srv"), /devcontainer/i);
      assert.throws(() => hosted.betaSetDevContainerStart("/srv"), /devcontainer/i);
      assert.deepEqual(methods.uncalled, []);
    });
});
