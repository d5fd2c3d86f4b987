export { Capsule } from "./capsules/capsule.ts";
export type { MemoryOptions, SnapshotOptions } from "./capsules/capsule.ts";
export type {
  CapsuleHealth,
  CapsuleInfo,
  CapsuleStatus,
  CreateProgress,
  LifetimeEnd,
} from "./capsules/capsule-info.ts";
export type { CreateOptions, ExtendOptions, ListOptions, UpdateOptions } from "./capsules/capsule-options.ts";
export type { Capsules } from "./capsules/capsules.ts";
export type { Checkpoint } from "./capsules/checkpoints.ts";
export type { NetworkDecision, NetworkPolicy } from "./capsules/network.ts";
export type { PortConnection } from "./capsules/port-connection.ts";
export type {
  ListeningPort,
  ListeningPorts,
  NewPortLink,
  PortAccess,
  PortLink,
  PortLinksOptions,
  PortSetting,
  SignedUrlOptions,
  UrlOptions,
} from "./capsules/ports.ts";
export { Wrenn } from "./client.ts";
export type { RequestOptions } from "./client.ts";
export { CommandHandle } from "./commands/command-handle.ts";
export type { CommandResultOf, WaitOptions } from "./commands/command-handle.ts";
export type {
  BackgroundOptions,
  CommandLimits,
  CommandOptions,
  RunOptions,
} from "./commands/command-options.ts";
export type { CommandBytesResult, CommandResult } from "./commands/command-result.ts";
export type { Commands, ConnectOptions } from "./commands/commands.ts";
export type { BytesChunk, TextChunk } from "./commands/output-chunks.ts";
export type { CommandExit, OutputOffsets, OutputStream } from "./commands/output-events.ts";
export type { ProcessSelector, SignalScope } from "./commands/process-api.ts";
export type { LogPiece, ProcessDetails, ProcessInfo, ProcessLogs } from "./commands/process-info.ts";
export type { StdinData, StdinSource } from "./commands/stdin-source.ts";
export { isWrennError, WrennError } from "./errors/wrenn-error.ts";
export type { ClientErrorCode, WrennErrorFields } from "./errors/wrenn-error.ts";
export type { EventActor, EventResource, EventsOptions, EventType, WrennEvent } from "./events/events.ts";
export type { FileEntry } from "./files/file-entry.ts";
export type {
  DownloadOptions,
  EntriesOptions,
  FileDownload,
  FileOptions,
  ListOptions as FileListOptions,
  MakeDirectoryOptions,
  ModeOptions,
  MoveOptions,
  RemoveOptions,
  TransferOptions,
  TransferProgress,
  UploadOptions,
  UploadProgress,
  WriteOptions,
} from "./files/file-options.ts";
export type { FileData, FileStream } from "./files/file-data.ts";
export type { Files, ReadOptions } from "./files/files.ts";
export type { UploadSource } from "./files/upload-source.ts";
export type { FileChange, FileWatch, WatchOptions } from "./files/watch.ts";
export type { Git } from "./git/git.ts";
export type { GitBranch, GitCommit, GitRemote } from "./git/git-lists.ts";
export type {
  GitBranchOptions,
  GitCloneOptions,
  GitCommitOptions,
  GitConfigOptions,
  GitCredentials,
  GitInitOptions,
  GitLogOptions,
  GitOptions,
  GitPerson,
  GitPullOptions,
  GitPushOptions,
  GitRemoteOptions,
  GitResetOptions,
  GitRestoreOptions,
} from "./git/git-options.ts";
export type { GitChange, GitFile, GitStatus } from "./git/git-status.ts";
export type { LogEntry, Logs, LogsOptions } from "./events/logs.ts";
export type { MetricsOptions, MetricsPoint, MetricsRange } from "./events/metrics.ts";
export type { Quota, QuotaItem, ServerInfo } from "./wrenn/server-info.ts";
export type {
  Build,
  BuildDurations,
  BuildLogLine,
  BuildStatus,
  BuildStep,
  BuildStepEnd,
} from "./templates/build.ts";
export type {
  BuildContextProblem,
  BuildOptions,
  BuildSources,
  RegistryCredentials,
  TemplateBuildOptions,
} from "./templates/build-options.ts";
export type { BuildLogOptions, Builds } from "./templates/builds.ts";
export type { ImageImportOptions, TemplateImportOptions } from "./templates/import-options.ts";
export type { Template } from "./templates/template.ts";
export type {
  TemplateDetails,
  TemplateListOptions,
  Templates,
  TemplateTag,
  TemplateVersion,
} from "./templates/templates.ts";
export type { Terminal } from "./terminals/terminal.ts";
export type { TerminalExit } from "./terminals/terminal-connection.ts";
export type { ConnectTerminalOptions, StartTerminalOptions, Terminals } from "./terminals/terminals.ts";
export type { CallOptions, ClientOptions, SharedClient } from "./transport/call-options.ts";
export type { ConnectionOptions, RetryNotice } from "./transport/connection.ts";
export type { PageOptions } from "./transport/pages.ts";
