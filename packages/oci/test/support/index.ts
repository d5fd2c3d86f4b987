export { buildImage, buildIndex, sha256 } from "./built-image.ts";
export type { BuiltImage, ImageRecipe, IndexedImage } from "./built-image.ts";
export { alpineShaped, debianShaped, distrolessShaped, fakeProgram, scratchShaped } from "./image-shapes.ts";
export { layoutFiles, writeFiles } from "./layout-directory.ts";
export { dockerFiles } from "./docker-archive.ts";
export { RegistryServer } from "./registry-server.ts";
export type { RegistryAccess, RegistryFault, RegistryServerOptions } from "./registry-server.ts";
export { dir, file, hardLink, link, opaque, removed, tarOf } from "./tar-builder.ts";
export type { TestMember } from "./tar-builder.ts";
