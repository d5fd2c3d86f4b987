import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue that is about telling other services what happened. */
export const channelErrors = {
  target_refused: user(
    "invalid_request",
    400,
    "requests are not sent to {target}: {problem}",
    "Give an https URL of a server on the public internet.",
  ),
  delivery_failed: system(
    "internal_error",
    502,
    "{target} did not take the notification: {problem}",
    "Check the channel's configuration, and whether the service is reachable; then try again.",
  ),
};
