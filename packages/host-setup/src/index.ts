export { installMissing } from "./install-missing.ts";
export type { InstallHost, InstallOptions } from "./install-missing.ts";
export { buildNative } from "./native-build.ts";
export type { NativeBuildOptions } from "./native-build.ts";
export type { Progress } from "./progress.ts";
