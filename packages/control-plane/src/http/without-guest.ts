import { WrennError } from "@wrenn/core";
import { SocketRefused } from "./socket-route.ts";

/** Whether work failed because its guest is gone, also where a handler has put its own text around that. */
export function isWithoutGuest(error: unknown): boolean {
  if (error instanceof SocketRefused) return isWithoutGuest(error.cause);
  return error instanceof WrennError && error.reason.startsWith("guest_");
}
