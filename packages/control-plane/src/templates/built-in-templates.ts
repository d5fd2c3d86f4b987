/**
 * Names of the templates that every host makes itself (images/). They are the platform's: no host adds to them or takes one away by
 * what it says that it has.
 */
export const builtInTemplates: ReadonlySet<string> = new Set(["minimal"]);

/**
 * Names of the templates that a server builds of packages when they are first needed (images/). The platform makes them with its own
 * builds; no team takes their names.
 */
export const builtOnDemand: ReadonlySet<string> = new Set([
  "base",
  "code-interpreter-v1",
  "code-runner-beta",
  "node",
  "python",
]);
