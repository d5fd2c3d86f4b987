import { join } from "node:path";

/**
 * The environment of programs of this project that a test starts, with a home of their own. Most of a short command is the
 * compilation of its modules: compiled code is shared with the test run, or else among the programs of the home.
 */
export function programEnvironment(
  home: string,
  variables: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    XDG_CONFIG_HOME: home,
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(home, "compiled"),
    ...variables,
  };
}
