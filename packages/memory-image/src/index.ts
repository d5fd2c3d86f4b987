export { chunkBytes, openChunks, writeChunks } from "./chunk-file.ts";
export type { Fetch } from "./chunk-file.ts";
export { decodeDiffIndex, diffDataOffset, encodeDiffIndex } from "./diff-file.ts";
export type { DiffIndex } from "./diff-file.ts";
export { writeDiff } from "./diff-writer.ts";
export type { WrittenDiff } from "./diff-writer.ts";
export { findDirtyPages } from "./dirty-pages.ts";
export type { DirtyPages, PageRun, ProcessMemory } from "./dirty-pages.ts";
export { GenerationStore } from "./generation-store.ts";
export type { BaseMemory, DumpOrigin } from "./generation-store.ts";
export { decodeHeader, encodeHeader } from "./header.ts";
export type { Header } from "./header.ts";
export { mappedSource } from "./mapped-source.ts";
export { lookup, normalise, overlay, slice, sourcesOf, wholeFile, zeroSource } from "./mapping.ts";
export type { Extent, Mapping } from "./mapping.ts";
export { mergeMemory, saveMemory } from "./memory-files.ts";
export { packMemory, servePackedMemory, unpackMemory } from "./packed-memory.ts";
export type { ServedMemoryPages, ServeMemoryRequest } from "./packed-memory.ts";
export type { PageSource } from "./page-source.ts";
export { pageSize } from "./page.ts";
export { directoryFiles } from "./store-files.ts";
export type { StoreFile, StoreFiles } from "./store-files.ts";
export type {
  PageServerProgram,
  PageServerStart,
  StartPageServerProgram,
} from "./page-server/page-server-program.ts";
export { startPageServer } from "./page-server/page-server.ts";
export type { PageServer, PageServerOptions } from "./page-server/page-server.ts";
export { servePackedDiff } from "./page-server/serve-packed-diff.ts";
export type { PackedDiff, ServedDiff } from "./page-server/serve-packed-diff.ts";
