import { defined, WrennError } from "@wrenn/core";
import {
  ATTRIBUTE_PATHS,
  ByteRange,
  CapsuleSpec,
  CapsuleStatus,
  CheckpointFacts,
  ConsoleLog,
  Count,
  FileAttributes,
  FileEntry,
  FilePage,
  FilePageRequest,
  HeldOutput,
  HostFacts,
  HostStorage,
  Id,
  ImageRequest,
  ImportedImage,
  ImportProgress,
  KillScope,
  ListeningPorts,
  Measurement,
  MeasurementQuery,
  MetricPoint,
  MetricRange,
  NetworkDecision,
  NetworkRules,
  NewUpload,
  OutputOffsets,
  ProcessExit,
  ProcessFacts,
  SettingsChange,
  SnapshotRequest,
  StartRequest,
  TemplateCopyState,
  TemplateFacts,
  TemplateManifest,
  Text,
  UploadState,
  IdleMachines,
  WriteOptions,
} from "@wrenn/protocol";
import type { CapsuleProcess, Described, HostAgent } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static, TSchema } from "typebox";

/** A pid may be used again; with its start it names one process. */
export const ProcessHandle = Type.Object({ pid: Count, startedAt: Type.Number() });

/** Options of the methods for files, without the signal; each method has some of them. */
export const FileArguments = Type.Object({
  user: Type.Optional(Text),
  follow: Type.Optional(Type.Boolean()),
  recursive: Type.Optional(Type.Boolean()),
  overwrite: Type.Optional(Type.Boolean()),
  range: Type.Optional(ByteRange),
  ...WriteOptions.properties,
});

/** A question with one answer: both sides hold its arguments and its result to these shapes. */
export interface Call<A extends TSchema, R extends TSchema> {
  readonly args: A;
  readonly result: R;
  readonly run: (agent: HostAgent, args: Described<A>, signal: AbortSignal) => Promise<unknown>;
  /** Ends what the call made, when its answer could not be delivered. */
  readonly undo?: (agent: HostAgent, args: Described<A>, signal: AbortSignal) => Promise<unknown>;
}

function call<A extends TSchema, R extends TSchema>(
  args: A,
  result: R,
  run: Call<A, R>["run"],
  undo?: Call<A, R>["undo"],
): Call<A, R> {
  return { args, result, run, ...defined({ undo }) };
}

const Nothing = Type.Undefined();
const one = Type.Tuple([Id]);

/** The methods of the interface that are not streams, by their names. */
export const calls = {
  facts: call(Type.Tuple([]), HostFacts, (agent, _, signal) => agent.facts(signal)),
  createCapsule: call(
    Type.Tuple([CapsuleSpec]),
    CapsuleStatus,
    (agent, [spec], signal) => agent.createCapsule(spec, signal),
    (agent, [spec], signal) => agent.destroyCapsule(spec.id, signal),
  ),
  destroyCapsule: call(one, Nothing, (agent, [id], signal) => agent.destroyCapsule(id, signal)),
  capsule: call(one, CapsuleStatus, (agent, [id], signal) => agent.capsule(id, signal)),
  pauseCapsule: call(one, CapsuleStatus, (agent, [id], signal) => agent.pauseCapsule(id, signal)),
  resumeCapsule: call(one, CapsuleStatus, (agent, [id], signal) => agent.resumeCapsule(id, signal)),
  pauseToDisk: call(one, CapsuleStatus, (agent, [id], signal) => agent.pauseToDisk(id, signal)),
  bootCapsule: call(one, CapsuleStatus, (agent, [id], signal) => agent.bootCapsule(id, signal)),
  checkpointCapsule: call(
    Type.Tuple([Id, Type.Union([Text, Type.Null()])]),
    CheckpointFacts,
    (agent, [id, name], signal) => agent.checkpointCapsule(id, name ?? undefined, signal),
  ),
  listCheckpoints: call(one, Type.Array(CheckpointFacts), (agent, [id], signal) =>
    agent.listCheckpoints(id, signal),
  ),
  restoreCheckpoint: call(Type.Tuple([Id, Text]), CapsuleStatus, (agent, [id, at], signal) =>
    agent.restoreCheckpoint(id, at, signal),
  ),
  deleteCheckpoint: call(Type.Tuple([Id, Text]), Nothing, (agent, [id, at], signal) =>
    agent.deleteCheckpoint(id, at, signal),
  ),
  forkCapsule: call(
    Type.Tuple([Id, Type.Array(CapsuleSpec)]),
    Type.Array(CapsuleStatus),
    (agent, [id, children], signal) => agent.forkCapsule(id, children, signal),
    (agent, [, children], signal) => Promise.all(children.map(({ id }) => agent.destroyCapsule(id, signal))),
  ),
  forkEach: call(
    Type.Tuple([Id, Type.Array(CapsuleSpec)]),
    Type.Array(CapsuleStatus),
    (agent, [id, children], signal) => agent.forkEach(id, children, signal),
    (agent, [, children], signal) => Promise.all(children.map(({ id }) => agent.destroyCapsule(id, signal))),
  ),
  createSnapshot: call(Type.Tuple([Id, SnapshotRequest]), TemplateFacts, (agent, [id, template], signal) =>
    agent.createSnapshot(id, template, signal),
  ),
  deleteSnapshot: call(Type.Tuple([Text]), Nothing, (agent, [key], signal) =>
    agent.deleteSnapshot(key, signal),
  ),
  describeTemplate: call(Type.Tuple([Id]), TemplateManifest, (agent, [key], signal) =>
    agent.describeTemplate(key, signal),
  ),
  beginTemplateCopy: call(Type.Tuple([TemplateManifest]), TemplateCopyState, (agent, [manifest], signal) =>
    agent.beginTemplateCopy(manifest, signal),
  ),
  finishTemplateCopy: call(Type.Tuple([Id]), TemplateFacts, (agent, [key], signal) =>
    agent.finishTemplateCopy(key, signal),
  ),
  abandonTemplateCopy: call(Type.Tuple([Id]), Nothing, (agent, [key], signal) =>
    agent.abandonTemplateCopy(key, signal),
  ),
  cacheMoment: call(
    Type.Tuple([Id, Type.Object({ key: Text, memory: Type.Boolean() })]),
    Nothing,
    (agent, [id, moment], signal) => agent.cacheMoment(id, moment, signal),
  ),
  cachedMoments: call(Type.Tuple([Type.Array(Text)]), Type.Array(Text), (agent, [keys], signal) =>
    agent.cachedMoments(keys, signal),
  ),
  dropMoments: call(Type.Tuple([Type.Array(Text)]), Nothing, (agent, [keys], signal) =>
    agent.dropMoments(keys, signal),
  ),
  importImage: call(Type.Tuple([ImageRequest]), ImportedImage, (agent, [request], signal) =>
    agent.importImage(request, signal),
  ),
  dropImage: call(Type.Tuple([Id]), Nothing, (agent, [id], signal) => agent.dropImage(id, signal)),
  importProgress: call(
    Type.Tuple([Id]),
    Type.Union([ImportProgress, Type.Undefined()]),
    (agent, [id], signal) => agent.importProgress(id, signal),
  ),
  setNetwork: call(Type.Tuple([Id, NetworkRules]), Nothing, (agent, [id, rules], signal) =>
    agent.setNetwork(id, rules, signal),
  ),
  changeSettings: call(Type.Tuple([Id, SettingsChange]), Nothing, (agent, [id, change], signal) =>
    agent.changeSettings(id, change, signal),
  ),
  networkDecisions: call(one, Type.Array(NetworkDecision), (agent, [id], signal) =>
    agent.networkDecisions(id, signal),
  ),
  metrics: call(Type.Tuple([Id, MetricRange]), Type.Array(MetricPoint), (agent, [id, range], signal) =>
    agent.metrics(id, range, signal),
  ),
  measurements: call(
    Type.Tuple([Id, MeasurementQuery]),
    Type.Array(Measurement),
    (agent, [id, query], signal) => agent.measurements(id, query, signal),
  ),
  listeners: call(one, ListeningPorts, (agent, [id], signal) => agent.listeners(id, signal)),
  consoleLog: call(Type.Tuple([Id, Count]), ConsoleLog, (agent, [id, from], signal) =>
    agent.consoleLog(id, from, signal),
  ),
  storage: call(Type.Tuple([]), HostStorage, (agent, _, signal) => agent.storage(signal)),
  allowWaiting: call(Type.Tuple([Type.Boolean()]), IdleMachines, (agent, [allowed], signal) =>
    agent.allowWaiting(allowed, signal),
  ),
  listCapsules: call(Type.Tuple([]), Type.Array(CapsuleStatus), (agent, _, signal) =>
    agent.listCapsules(signal),
  ),
  listTemplates: call(Type.Tuple([]), Type.Array(TemplateFacts), (agent, _, signal) =>
    agent.listTemplates(signal),
  ),

  "process.start": call(
    Type.Tuple([Id, StartRequest]),
    ProcessFacts,
    async (agent, [id, request], signal) => (await agent.processes(id).start(request, signal)).facts,
  ),
  "process.find": call(
    Type.Tuple([Id, Text]),
    ProcessFacts,
    async (agent, [id, selector], signal) => (await agent.processes(id).find(selector, signal)).facts,
  ),
  "process.list": call(one, Type.Array(ProcessFacts), (agent, [id], signal) =>
    agent.processes(id).list(signal),
  ),
  "process.recent": call(one, Type.Array(ProcessFacts), (agent, [id], signal) =>
    agent.processes(id).recent(signal),
  ),
  "process.held": call(
    Type.Tuple([Id, ProcessHandle, OutputOffsets]),
    HeldOutput,
    async (agent, [id, handle, from], signal) => (await found(agent, id, handle, signal)).held(from, signal),
  ),
  "process.wait": call(Type.Tuple([Id, ProcessHandle]), ProcessExit, async (agent, [id, handle], signal) =>
    (await found(agent, id, handle, signal)).wait(signal),
  ),
  "process.kill": call(
    Type.Tuple([Id, ProcessHandle, Count, KillScope]),
    Nothing,
    async (agent, [id, handle, signalNumber, scope], signal) =>
      (await found(agent, id, handle, signal)).kill(signalNumber, scope, signal),
  ),
  "process.resize": call(
    Type.Tuple([Id, ProcessHandle, Count, Count]),
    Nothing,
    async (agent, [id, handle, cols, rows], signal) =>
      (await found(agent, id, handle, signal)).resize(cols, rows, signal),
  ),

  "file.stat": call(Type.Tuple([Id, Text, FileArguments]), FileEntry, (agent, [id, path, options], signal) =>
    agent.files(id).stat(path, { ...options, signal }),
  ),
  "file.list": call(
    Type.Tuple([Id, Text, Count, FileArguments]),
    Type.Array(FileEntry),
    (agent, [id, path, depth, options], signal) => agent.files(id).list(path, depth, { ...options, signal }),
  ),
  "file.listPage": call(
    Type.Tuple([Id, Text, FilePageRequest, FileArguments]),
    FilePage,
    (agent, [id, path, request, options], signal) =>
      agent.files(id).listPage(path, request, { ...options, signal }),
  ),
  "file.makeDirectory": call(
    Type.Tuple([Id, Text, FileArguments]),
    FileEntry,
    (agent, [id, path, options], signal) => agent.files(id).makeDirectory(path, { ...options, signal }),
  ),
  "file.remove": call(Type.Tuple([Id, Text, FileArguments]), Nothing, (agent, [id, path, options], signal) =>
    agent.files(id).remove(path, { recursive: false, ...options, signal }),
  ),
  "file.move": call(
    Type.Tuple([Id, Text, Text, FileArguments]),
    FileEntry,
    (agent, [id, source, target, options], signal) =>
      agent.files(id).move(source, target, { overwrite: false, ...options, signal }),
  ),
  "file.copy": call(
    Type.Tuple([Id, Text, Text, FileArguments]),
    FileEntry,
    (agent, [id, source, target, options], signal) =>
      agent.files(id).copy(source, target, { overwrite: false, recursive: false, ...options, signal }),
  ),
  "file.changeMode": call(
    Type.Tuple([Id, Text, Count, FileArguments]),
    FileEntry,
    (agent, [id, path, mode, options], signal) =>
      agent.files(id).changeMode(path, mode, { recursive: false, ...options, signal }),
  ),
  "file.attributes": call(
    Type.Tuple([Id, Type.Array(Text, { maxItems: ATTRIBUTE_PATHS }), Text, FileArguments]),
    Type.Array(FileAttributes),
    (agent, [id, paths, prefix, options], signal) =>
      agent.files(id).attributes(paths, prefix, { ...options, signal }),
  ),
  "file.setAttributes": call(
    Type.Tuple([Id, Text, Text, FileAttributes, FileArguments]),
    Nothing,
    (agent, [id, path, prefix, attributes, options], signal) =>
      agent.files(id).setAttributes(path, prefix, attributes, { ...options, signal }),
  ),

  "upload.create": call(
    Type.Tuple([Id, NewUpload, FileArguments]),
    UploadState,
    (agent, [id, upload, options], signal) => agent.files(id).uploads.create(upload, { ...options, signal }),
  ),
  "upload.state": call(Type.Tuple([Id, Id]), UploadState, (agent, [id, upload], signal) =>
    agent.files(id).uploads.state(upload, { signal }),
  ),
  "upload.abandon": call(Type.Tuple([Id, Id]), Nothing, (agent, [id, upload], signal) =>
    agent.files(id).uploads.abandon(upload, { signal }),
  ),
} as const;

export type CallName = keyof typeof calls;

/** @throws WrennError `process_not_found` also when another process has the pid by now. */
export async function found(
  agent: HostAgent,
  id: string,
  { pid, startedAt }: Described<typeof ProcessHandle>,
  signal: AbortSignal,
): Promise<CapsuleProcess> {
  const process = await agent.processes(id).find(String(pid), signal);
  if (process.facts.startedAt !== startedAt)
    throw new WrennError("process_not_found", { selector: String(pid) });
  return process;
}

/** How long a hold lasts when its control plane is silent. */
export const LEASE_MS = 60_000;

/** Keeps a capsule awake for `ms`, or lets it go with 0. Renewed under its key for as long as it is wanted. */
export const LeaseShape = Type.Tuple([
  Type.Object({
    id: Type.String({ minLength: 1, maxLength: 64 }),
    key: Type.String({ minLength: 1, maxLength: 64 }),
    ms: Type.Integer({ minimum: 0, maximum: LEASE_MS }),
  }),
]);

export type Lease = Static<typeof LeaseShape>;
