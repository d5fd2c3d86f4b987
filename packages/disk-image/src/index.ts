export { createArtifactStore } from "./artifact-store.ts";
export type { ArtifactStore, TrimOptions } from "./artifact-store.ts";
export { buildBootArtifacts, findBootArtifacts, findBootKernel, guestKernel } from "./boot-artifacts.ts";
export type { BootArtifactsOptions, BootFiles, GuestKernel } from "./boot-artifacts.ts";
export { findAbandonedBuilds, isAbandonedBuild, removeAbandonedBuild } from "./abandoned-builds.ts";
export type { DiskFiles } from "./chain.ts";
export { hostSources } from "./debian-sources.ts";
export { downloadPackage } from "./debian-package.ts";
export { debianKernelVersion } from "./debian-kernel.ts";
export { ImageDisks } from "./image-disks.ts";
export type { BuildImageDisk, ImageDisk, ImageTree } from "./image-disks.ts";
export { ImageEditions, removeRetired } from "./image-editions.ts";
export type { EditionRecord, RetiredArtifacts } from "./image-editions.ts";
export { comparePackages, readPackages } from "./package-changes.ts";
export type { PackageChange } from "./package-changes.ts";
export { PackageIndex } from "./package-index.ts";
export type { PackageIndexOptions } from "./package-index.ts";
export { dataExtents } from "./file-extents.ts";
export type { DataExtent } from "./file-extents.ts";
export { flattenChain } from "./flatten-chain.ts";
export { checkFreeSpace } from "./free-space.ts";
export { readOverlayHeader } from "./overlay-header.ts";
export type { OverlayHeader } from "./overlay-header.ts";
export { createOverlay } from "./qcow2.ts";
export type { Overlay } from "./qcow2.ts";
export { rebaseOverlay } from "./rebase-overlay.ts";
export type { ImageEdition, ImageFile, ImageRecipe, ImageUser } from "./recipe.ts";
export {
  listDefinitions,
  makeContext,
  PackageDownloads,
  readDefinition,
  resolveTemplate,
} from "./template-context/index.ts";
export type { TemplateInputs, TemplateDefinition } from "./template-context/index.ts";
