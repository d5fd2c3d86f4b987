import { giveStylesTheNonce } from "#lib/session/style-nonce.ts";

giveStylesTheNonce(document);
