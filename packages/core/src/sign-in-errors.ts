import { system } from "./catalogue-entry.ts";

/** The part of the error catalogue about signing in by accounts of other services. */
export const signInErrors = {
  provider_failed: system(
    "internal_error",
    502,
    "signing in by {provider} does not work: {problem}",
    "Try again; if it stays so, whoever runs the server checks its settings of this provider.",
  ),
};
