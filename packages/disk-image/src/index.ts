export { createArtifactStore } from "./artifact-store.ts";
export type { ArtifactStore } from "./artifact-store.ts";
export { buildBootArtifacts } from "./boot-artifacts.ts";
export type { BootArtifactsOptions, BootFiles } from "./boot-artifacts.ts";
export { createOverlay } from "./qcow2.ts";
export type { Overlay } from "./qcow2.ts";
export type { ImageFile, ImageRecipe, ImageUser } from "./recipe.ts";
