import { ADMIN_CAPSULES, CAPSULES } from "../capsules/capsule-api.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";
import type { App } from "../http/app.ts";
import type { SocketRoute } from "../http/socket-route.ts";
import { registerFileArchiveRoutes } from "./file-archive-routes.ts";
import { registerFileContentRoutes } from "./file-content-routes.ts";
import { registerFileDownloadRoutes } from "./file-download-routes.ts";
import { registerFileRoutes } from "./file-routes.ts";
import { registerFileUploadRoutes } from "./file-upload-routes.ts";
import { fileWatch } from "./file-watch.ts";
import { watchDescription } from "./watch-messages.ts";
import { registerUploadContentRoutes, registerUploadRoutes } from "./upload-routes.ts";
import type { UploadRoutesDeps } from "./upload-routes.ts";

export interface FilesDeps {
  readonly capsules: CapsuleOpener;
}

/** Files in capsules of the caller's team. */
export function registerFiles(app: App, deps: UploadRoutesDeps): void {
  registerUploadRoutes(app, deps);
  registerFileRoutes(app, deps, CAPSULES);
  registerFileDownloadRoutes(app, deps, CAPSULES);
  registerFileArchiveRoutes(app, deps);
}

/** Routes of {@link registerFiles} whose bodies are files; `rawApp` must not parse bodies. */
export function registerFileContent(rawApp: App, deps: Pick<UploadRoutesDeps, "capsules" | "clock">): void {
  registerUploadContentRoutes(rawApp, deps);
  registerFileContentRoutes(rawApp, deps);
  registerFileUploadRoutes(rawApp, deps, CAPSULES);
}

/** Files in capsules of the platform's team, in the scope of platform administrators. */
export function registerFilesAdmin(app: App, deps: FilesDeps): void {
  registerFileRoutes(app, deps, ADMIN_CAPSULES);
  registerFileDownloadRoutes(app, deps, ADMIN_CAPSULES);
}

/** Routes of {@link registerFilesAdmin} whose bodies are files; `rawApp` must not parse bodies. */
export function registerFileContentAdmin(rawApp: App, deps: FilesDeps): void {
  registerFileUploadRoutes(rawApp, deps, ADMIN_CAPSULES);
}

/** Sessions that watch files. */
export const fileSockets: readonly SocketRoute[] = [
  {
    path: "files/watch",
    description: watchDescription,
    scope: "read",
    subprotocol: "wrenn.files.watch",
    handler: fileWatch,
  },
];
