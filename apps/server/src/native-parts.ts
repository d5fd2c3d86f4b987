import { join } from "node:path";

const project = join(import.meta.dirname, "../../..");
const built = (part: string, file: string): string => join(project, "native", part, "build", file);

/** Where the native programs are built to, and the recipes of the built-in templates. */
export const nativeParts = {
  guestAgent: built("guest-agent", "wrenn-guest-agent"),
  jail: built("jail", "wrenn-jail"),
  shim: built("mmap-shim", "wrenn-shim.so"),
  zygote: built("zygote", "wrenn-zygote.so"),
  pageServer: built("page-server", "wrenn-page-server"),
  kvmProbe: built("kvm-probe", "wrenn-kvm-probe"),
} as const;

const packed = (file: string): string => join(project, "apps/client/build/packages", file);

/** The packages for client machines, which `up` packs. */
export const clientPackages = { cli: packed("wrenn-cli.tgz"), sdk: packed("wrenn-sdk.tgz") } as const;

/** The dashboard, which `up` builds. */
export const builtDashboard = join(project, "apps/dashboard/build");

/** Recipes and packages of the templates that are built from `minimal`. */
export const builtInDefinitions = join(project, "images");

export const minimalRecipe = join(project, "images/minimal/recipe.json");

/** The version of everything: they are released together. */
export const packageFile = join(project, "package.json");
