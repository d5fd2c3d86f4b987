import { API } from "typescript/unstable/sync";
import type { Project } from "typescript/unstable/sync";
import { projectRoot } from "./sources.ts";

/** A program of the compiler that the project is checked with. */
export interface TypeScriptProject extends Disposable {
  readonly project: Project;
}

/**
 * Opens a program.
 *
 * @param configFile - absolute path of its `tsconfig.json`, which need not exist.
 * @param files - texts by absolute path that are read instead of what is on disk; the configuration is one of them.
 */
export function openProject(configFile: string, files: ReadonlyMap<string, string>): TypeScriptProject {
  const folders = new Set([...files.keys()].map((path) => path.slice(0, path.lastIndexOf("/"))));
  const api = new API({
    cwd: projectRoot,
    fs: {
      readFile: (path) => files.get(path),
      fileExists: (path) => files.has(path) || undefined,
      directoryExists: (path) => folders.has(path) || undefined,
    },
  });
  try {
    const project = api.updateSnapshot({ openProjects: [configFile] }).getProject(configFile);
    if (!project) throw new Error(`the compiler did not open ${configFile}`);
    return { project, [Symbol.dispose]: () => api.close() };
  } catch (error) {
    api.close();
    throw error;
  }
}
