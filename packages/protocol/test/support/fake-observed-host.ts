import { WrennError } from "@wrenn/core";
import type {
  CapsuleStatus,
  ConsoleLog,
  ImageRequest,
  ImportedImage,
  ImportProgress,
  ListeningPorts,
  Measurement,
  MeasurementQuery,
  MetricPoint,
  MetricRange,
  NetworkDecision,
  IdleMachines,
  TemplateCopyState,
  TemplateFacts,
  TemplateManifest,
  TemplatePartRange,
} from "@wrenn/protocol";
import type { FakeContents } from "./fake-contents.ts";
import { FakeImages } from "./fake-images.ts";
import { FakeMoments } from "./fake-moments.ts";
import { FakeObservations } from "./fake-observations.ts";
import { FakeTemplateCopies } from "./fake-template-copies.ts";
import { FakeTemplates } from "./fake-templates.ts";

/** The part of a fake host that says what happens in its capsules. */
export abstract class FakeObservedHost {
  /** What tests let capsules listen on, write to their consoles, and use. */
  readonly observations = new FakeObservations();
  /** Whether machines may wait, as it was said last. */
  mayWait = true;

  /** Moments of capsules that were kept. */
  readonly moments = new FakeMoments();

  /** Images that imports find. */
  readonly images = new FakeImages();

  /** Templates that were made of its capsules, or copied. */
  readonly templates = new FakeTemplates();

  readonly copies = new FakeTemplateCopies(this.templates);

  async describeTemplate(key: string): Promise<TemplateManifest> {
    this.reach();
    return this.copies.describe(key);
  }

  async readTemplatePart(range: TemplatePartRange): Promise<AsyncIterable<Uint8Array>> {
    this.reach();
    return this.copies.read(range);
  }

  async beginTemplateCopy(manifest: TemplateManifest): Promise<TemplateCopyState> {
    this.reach();
    return this.copies.begin(manifest);
  }

  async writeTemplatePart(
    range: TemplatePartRange,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    this.reach(signal);
    await this.copies.write(range, content, signal);
  }

  async finishTemplateCopy(key: string): Promise<TemplateFacts> {
    this.reach();
    return this.copies.finish(key);
  }

  async abandonTemplateCopy(key: string): Promise<void> {
    this.reach();
    this.copies.abandon(key);
  }

  async cacheMoment(
    id: string,
    { key, memory }: { readonly key: string; readonly memory: boolean },
  ): Promise<void> {
    const { state, vcpus, memoryMib } = this.requireKnown(id);
    if (state !== "running") throw new WrennError("capsule_not_running", { status: state });
    this.moments.keep(key, {
      shape: { vcpus, memoryMib },
      memory,
      files: this.contentsOf(id).files.copyAll(),
    });
  }

  async cachedMoments(keys: readonly string[]): Promise<readonly string[]> {
    return keys.filter((key) => this.moments.has(key));
  }

  async dropMoments(keys: readonly string[]): Promise<void> {
    this.moments.drop(keys);
  }

  async receiveImage(id: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.images.receive(id, content, signal);
  }

  async dropImage(id: string): Promise<void> {
    this.images.archives.delete(id);
  }

  async importImage(request: ImageRequest, signal: AbortSignal): Promise<ImportedImage> {
    return await this.images.import(request, signal);
  }

  async importProgress(id: string): Promise<ImportProgress | undefined> {
    return this.images.progress(id);
  }

  async allowWaiting(allowed: boolean): Promise<IdleMachines> {
    this.mayWait = allowed;
    return allowed ? { count: 1, memoryBytes: 1000 } : { count: 0, memoryBytes: 0 };
  }

  async networkDecisions(id: string): Promise<readonly NetworkDecision[]> {
    const { state } = this.requireKnown(id);
    if (state !== "running") throw new WrennError("capsule_not_running", { status: state });
    return [];
  }

  async metrics(id: string, _range: MetricRange): Promise<readonly MetricPoint[]> {
    this.requireKnown(id);
    return [];
  }

  async measurements(id: string, query: MeasurementQuery): Promise<readonly Measurement[]> {
    this.requireKnown(id);
    return this.observations.measurements(id, query);
  }

  async listeners(id: string): Promise<ListeningPorts> {
    this.requireKnown(id);
    return this.observations.listeners(id);
  }

  onListeners(observer: (listeners: ListeningPorts) => void): () => void {
    return this.observations.observe(observer);
  }

  async consoleLog(id: string, from: number): Promise<ConsoleLog> {
    this.requireKnown(id);
    return this.observations.consoleLog(id, from);
  }

  /** @throws WrennError `host_unavailable` while it cannot be reached; the signal's reason. */
  protected abstract reach(signal?: AbortSignal): void;

  protected abstract contentsOf(id: string): FakeContents;

  /** @throws WrennError `capsule_not_found`, or `host_unavailable` while it cannot be reached. */
  protected abstract requireKnown(id: string): CapsuleStatus;
}
