import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import type { ErrorReason, Random } from "@wrenn/core";
import { openRegistry, parseReference, pullImage } from "@wrenn/oci";
import type { PulledImage, RegistrySettings } from "@wrenn/oci";
import { buildImage } from "./built-image.ts";
import type { BuiltImage } from "./built-image.ts";
import { ManualClock } from "./manual-clock.ts";
import { RegistryServer } from "./registry-server.ts";
import type { RegistryServerOptions } from "./registry-server.ts";
import { ScratchDirectory } from "./scratch-directory.ts";
import { file } from "./tar-builder.ts";

/** Randomness without any. */
export const noRandom: Random = {
  bytes: (size) => new Uint8Array(size),
  uuid: () => "00000000-0000-4000-8000-000000000000",
};

/** A registry with one image of one large layer, and a puller whose clock the test moves. */
export class PullLab implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly registry: RegistryServer;
  readonly directory: ScratchDirectory;
  readonly image: BuiltImage;
  /** The digest of the image's layer. */
  readonly layer: string;
  readonly size: number;

  private constructor(clock: ManualClock, registry: RegistryServer, directory: ScratchDirectory) {
    this.clock = clock;
    this.registry = registry;
    this.directory = directory;
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 251));
    this.image = buildImage({ layers: [[file("data", content)]], compression: "none" });
    this.layer = this.image.layers[0]?.digest ?? "";
    this.size = this.image.layers[0]?.bytes.length ?? 0;
    registry.push("team/app", this.image, "v1");
  }

  static async open(options: RegistryServerOptions = {}): Promise<PullLab> {
    const clock = new ManualClock();
    const registry = await RegistryServer.start({ now: () => clock.now(), ...options });
    return new PullLab(clock, registry, await ScratchDirectory.create());
  }

  async pull(settings: RegistrySettings = {}, signal = new AbortController().signal): Promise<PulledImage> {
    const source = openRegistry({ clock: this.clock, random: noRandom, ...settings }).image(
      parseReference(`${this.registry.host}/team/app:v1`),
    );
    const pulled = await pullImage(source, {
      platform: { os: "linux", architecture: "amd64" },
      directory: this.directory.scratch,
      signal,
    });
    assert.equal(pulled.digest, this.image.manifest.digest);
    return pulled;
  }

  /** A pull that fails for a reason and leaves no file. @returns the error. */
  async refused(reason: ErrorReason, settings: RegistrySettings = {}): Promise<WrennError> {
    const error = await this.pull(settings).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof WrennError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.deepEqual(await readdir(this.directory.scratch), []);
    return error;
  }

  /** Requests for the layer. */
  get layerRequests(): readonly { readonly range: string | undefined; readonly status: number }[] {
    return this.registry.requests
      .filter(({ path }) => path.includes(this.layer))
      .map(({ range, status }) => ({ range, status }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await this.directory[Symbol.asyncDispose]();
  }
}
