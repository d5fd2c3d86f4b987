// Generated from the server's OpenAPI document by `npm run sdk:types`; do not edit.

/** Objects of the API by their names in its description. */
export interface PageSchemas {
  ApiKey: {
    readonly id: string;
    readonly team_id: string;
    readonly name: string;
    readonly key_prefix: string;
    readonly created_by?: string;
    readonly creator_email?: string;
    readonly created_at: string;
    readonly last_used?: string;
    /** At most 5 entries. */
    readonly scopes: readonly ("read" | "run" | "manage" | "ports" | "egress")[];
    readonly expires_at?: string;
    /** The key itself; shown this once. */
    readonly key?: string;
  };

  AuthResponse: {
    /** For Authorization: Bearer; works 15 minutes. */
    readonly token: string;
    readonly user_id: string;
    readonly team_id: string;
    readonly email: string;
    readonly name: string;
  };

  Invitation: {
    readonly id: string;
    readonly team_id: string;
    readonly team_name: string;
    readonly email: string;
    readonly role: "admin" | "member";
    readonly created_at: string;
    readonly expires_at: string;
  };

  LoginSession: {
    /** `ses-` and 25 characters. */
    readonly id: string;
    readonly created_at: string;
    /** When its token was last renewed: at most 15 minutes before its last request. */
    readonly last_used_at: string;
    readonly expires_at: string;
    /** From which it was last renewed; empty where it is not known. */
    readonly address: string;
    /** How that client names itself, at most 200 characters. */
    readonly program: string;
    /** Name of the device whose login you approved in a browser. */
    readonly device?: string;
    /** Whether this request belongs to it. */
    readonly is_current: boolean;
  };

  Member: {
    readonly user_id: string;
    readonly name: string;
    readonly email: string;
    readonly role: string;
    readonly joined_at: string;
  };

  Team: {
    readonly id: string;
    readonly name: string;
    readonly slug: string;
    /** Always false: hosts belong to the platform. */
    readonly is_byoc: boolean;
    readonly created_at: string;
    /** Yours: owner, admin or member. */
    readonly role: string;
  };
}

/** What each route takes and answers. */
export interface PageRoutes {
  /** Sign up. */
  "POST /v1/auth/signup": {
    readonly body: {
      /** Trimmed and lower-cased; contains @; at most 254 characters. */
      readonly email: string;
      /** At most 1024 characters. */
      readonly password: string;
      /** At most 100 characters. */
      readonly name: string;
    };
    readonly answers: {
      readonly 201: {
        readonly message: string;
      };
    };
  };

  /** Create the first administrator by the token that the operator has, and log in. */
  "POST /v1/auth/bootstrap": {
    readonly body: {
      /** From the mailed link. */
      readonly token: string;
      /** Trimmed and lower-cased; contains @; at most 254 characters. */
      readonly email: string;
      /** At most 1024 characters. */
      readonly password: string;
      /** At most 100 characters. */
      readonly name: string;
    };
    readonly answers: {
      readonly 201: PageSchemas["AuthResponse"];
    };
  };

  /** Replace the token that creates the first administrator by a fresh one. */
  "POST /v1/auth/bootstrap/renew": {
    readonly body: {
      /** From the mailed link. */
      readonly token: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Activate an account by its mailed token, and log in. */
  "POST /v1/auth/activate": {
    readonly body: {
      /** From the mailed link. */
      readonly token: string;
      /** At most 1024 characters. */
      readonly password?: string;
    };
    readonly answers: {
      readonly 200: PageSchemas["AuthResponse"];
    };
  };

  /** Log in. */
  "POST /v1/auth/login": {
    readonly body: {
      /** Trimmed and lower-cased; contains @; at most 254 characters. */
      readonly email: string;
      /** At most 1024 characters. */
      readonly password: string;
    };
    readonly answers: {
      readonly 200: PageSchemas["AuthResponse"];
    };
  };

  /** Renew the token by the cookie. */
  "POST /v1/auth/refresh": {
    readonly answers: {
      readonly 200: PageSchemas["AuthResponse"];
    };
  };

  /** Ask for a mail that resets a password. */
  "POST /v1/me/password/reset": {
    readonly body: {
      /** At most 254 characters. */
      readonly email: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Set a password by a mailed token; ends all sessions. */
  "POST /v1/me/password/reset/confirm": {
    readonly body: {
      /** From the mailed link. */
      readonly token: string;
      /** At most 1024 characters. */
      readonly new_password: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Use up a link, and see whose it is. */
  "POST /v1/auth/browser-links/follow": {
    readonly body: {
      /** From the mailed link. */
      readonly token: string;
    };
    readonly answers: {
      readonly 200: {
        readonly name: string;
        readonly email: string;
        /** For POST /v1/auth/browser-links/confirm, once. */
        readonly confirmation: string;
        /** Seconds. */
        readonly expires_in: number;
      };
    };
  };

  /** Log in by a link that was followed. */
  "POST /v1/auth/browser-links/confirm": {
    readonly body: {
      /** From the mailed link. */
      readonly confirmation: string;
    };
    readonly answers: {
      readonly 200: PageSchemas["AuthResponse"];
    };
  };

  /** Services whose accounts can be used to log in here. */
  "GET /v1/auth/providers": {
    readonly answers: {
      readonly 200: readonly {
        readonly name: string;
        readonly title: string;
      }[];
    };
  };

  /** What became of a log-in by a provider. */
  "GET /auth/{provider}/callback": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly query?: {
      /** At most 8192 characters. */
      readonly error?: string;
      /** At most 8192 characters. */
      readonly new_signup?: string;
    };
    readonly answers: {
      readonly 200: string;
    };
  };

  /** Go to a provider to log in or to sign up. */
  "GET /auth/oauth/{provider}": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly query?: {
      /** `signup`; everything else is a log-in. */
      readonly intent?: string;
    };
  };

  /** Come back from a provider. */
  "GET /auth/oauth/{provider}/callback": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly query?: {
      /** At most 8192 characters. */
      readonly code?: string;
      /** At most 8192 characters. */
      readonly state?: string;
      /** At most 8192 characters. */
      readonly error?: string;
    };
  };

  /** Go to a provider to log in or to sign up. */
  "GET /v1/auth/oauth/{provider}": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly query?: {
      /** `signup`; everything else is a log-in. */
      readonly intent?: string;
    };
  };

  /** Come back from a provider. */
  "GET /v1/auth/oauth/{provider}/callback": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly query?: {
      /** At most 8192 characters. */
      readonly code?: string;
      /** At most 8192 characters. */
      readonly state?: string;
      /** At most 8192 characters. */
      readonly error?: string;
    };
  };

  /** Approve the login of a device. */
  "GET /device": {
    readonly query?: {
      /** At most 32 characters. */
      readonly user_code?: string;
    };
    readonly answers: {
      readonly 200: string;
    };
  };

  /** Begin a login on a device without a browser (RFC 8628). */
  "POST /v1/auth/device": {
    readonly body: {
      /** Shown to the person; at most 64 characters. */
      readonly client_name?: string;
      /** Ask for an API key of the team instead of a login. */
      readonly api_key?: {
        /** At most 100 characters. */
        readonly name?: string;
        /** At most 5 entries. */
        readonly scopes?: readonly ("read" | "run" | "manage" | "ports" | "egress")[];
        /** At least 60, at most 315360000. */
        readonly expires_in_sec?: number;
      };
    };
    readonly answers: {
      readonly 200: {
        /** The device's secret; POST /v1/auth/token takes it. */
        readonly device_code: string;
        /** Shown to the person. */
        readonly user_code: string;
        readonly verification_uri: string;
        /** The same with the code in it. */
        readonly verification_uri_complete: string;
        /** Seconds. */
        readonly expires_in: number;
        /** Seconds between two questions of the device. */
        readonly interval: number;
      };
    };
  };

  /** Get or renew the login of a device. */
  "POST /v1/auth/token": {
    readonly body: {
      readonly grant_type: "urn:ietf:params:oauth:grant-type:device_code" | "refresh_token";
      readonly device_code?: string;
      readonly refresh_token?: string;
    };
    readonly answers: {
      readonly 200: {
        /** `Bearer`, or `ApiKey` for the header X-API-Key. */
        readonly token_type: string;
        readonly access_token: string;
        /** Seconds; an API key without an end has none. */
        readonly expires_in?: number;
        /** Works once; an API key has none. */
        readonly refresh_token?: string;
        readonly team_id: string;
        readonly user_id?: string;
        readonly email?: string;
        /** Of the person, or of the API key. */
        readonly name: string;
        /** At most 5 entries. */
        readonly scopes?: readonly ("read" | "run" | "manage" | "ports" | "egress")[];
      };
    };
  };

  /** Your account. */
  "GET /v1/me": {
    readonly answers: {
      readonly 200: {
        readonly name: string;
        readonly email: string;
        readonly has_password: boolean;
        readonly providers: readonly string[];
      };
    };
  };

  /** Change your name. */
  "PATCH /v1/me": {
    readonly body: {
      /** At most 100 characters. */
      readonly name: string;
    };
    readonly answers: {
      readonly 200: PageSchemas["AuthResponse"];
    };
  };

  /** Delete your account with the teams that only you belong to. */
  "DELETE /v1/me": {
    readonly body: {
      /** Your email address; at most 254 characters. */
      readonly confirmation: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** People of your teams whose email address begins like this. */
  "GET /v1/users/search": {
    readonly query: {
      /** Contains @; at most 254 characters. */
      readonly email: string;
    };
    readonly answers: {
      readonly 200: readonly {
        readonly user_id: string;
        readonly email: string;
      }[];
    };
  };

  /** Change your password, or add one; ends your other sessions. */
  "POST /v1/me/password": {
    readonly body: {
      /** At most 1024 characters. */
      readonly current_password?: string;
      /** At most 1024 characters. */
      readonly new_password: string;
      /** At most 1024 characters. */
      readonly confirm_password?: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Log out. */
  "POST /v1/auth/logout": {
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Act in another of your teams. */
  "POST /v1/auth/switch-team": {
    readonly body: {
      readonly team_id: string;
    };
    readonly answers: {
      readonly 200: PageSchemas["AuthResponse"];
    };
  };

  /** Where you are logged in. */
  "GET /v1/me/sessions": {
    readonly answers: {
      readonly 200: readonly PageSchemas["LoginSession"][];
    };
  };

  /** End all of your logins but this one. */
  "DELETE /v1/me/sessions": {
    readonly answers: {
      readonly 200: {
        readonly ended: number;
      };
    };
  };

  /** End one of your logins. */
  "DELETE /v1/me/sessions/{session}": {
    readonly path: {
      /** At most 64 characters. */
      readonly session: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Make a link that logs a browser in as you. */
  "POST /v1/auth/browser-links": {
    readonly answers: {
      readonly 201: {
        readonly token: string;
        /** Seconds. */
        readonly expires_in: number;
      };
    };
  };

  /** Create an API key. */
  "POST /v1/api-keys": {
    readonly body: {
      /** At most 100 characters. */
      readonly name?: string;
      /** At most 5 entries. */
      readonly scopes?: readonly ("read" | "run" | "manage" | "ports" | "egress")[];
      /** At least 60, at most 315360000. */
      readonly expires_in_sec?: number;
      /** How the key looks: `wrn_` and 32 digits (default), or `e2b_` and 40, which clients of E2B take. Both work everywhere. */
      readonly form?: "wrenn" | "e2b";
    };
    readonly answers: {
      readonly 201: PageSchemas["ApiKey"];
    };
  };

  /** List API keys, newest first. */
  "GET /v1/api-keys": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly PageSchemas["ApiKey"][];
    };
  };

  /** Revoke an API key. */
  "DELETE /v1/api-keys/{id}": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Show the device that waits for a code. */
  "POST /v1/auth/device/lookup": {
    readonly body: {
      /** In either case, with or without hyphen; at most 32 characters. */
      readonly user_code: string;
    };
    readonly answers: {
      readonly 200: {
        readonly client_name: string;
        readonly address: string;
        readonly user_agent: string;
        /** Whether it is in the network of this request. */
        readonly same_network: boolean;
        readonly created_at: string;
        readonly expires_at: string;
        /** The team that it would act in. */
        readonly team_id: string;
        readonly team_name: string;
        /** Ask for an API key of the team instead of a login. */
        readonly api_key?: {
          /** At most 100 characters. */
          readonly name?: string;
          /** At most 5 entries. */
          readonly scopes?: readonly ("read" | "run" | "manage" | "ports" | "egress")[];
          /** At least 60, at most 315360000. */
          readonly expires_in_sec?: number;
        };
      };
    };
  };

  /** Let a device act for you in this team. */
  "POST /v1/auth/device/approve": {
    readonly body: {
      /** In either case, with or without hyphen; at most 32 characters. */
      readonly user_code: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Refuse a device. */
  "POST /v1/auth/device/deny": {
    readonly body: {
      /** In either case, with or without hyphen; at most 32 characters. */
      readonly user_code: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Log a program in that listens on your machine. */
  "POST /v1/auth/program/approve": {
    readonly body: {
      /** `http://localhost:{port}`, or the same by `127.0.0.1` or `[::1]`; with any path; at most 256 characters. */
      readonly next: string;
      /** Of the program. */
      readonly version?: string;
    };
    readonly answers: {
      readonly 200: {
        /** Where the browser has to go. */
        readonly redirect_to: string;
      };
    };
  };

  /** Refuse a program that listens on your machine. */
  "POST /v1/auth/program/deny": {
    readonly body: {
      /** `http://localhost:{port}`, or the same by `127.0.0.1` or `[::1]`; with any path; at most 256 characters. */
      readonly next: string;
    };
    readonly answers: {
      readonly 200: {
        /** Where the browser has to go. */
        readonly redirect_to: string;
      };
    };
  };

  /** Providers, and which of them are connected to your account. */
  "GET /v1/me/providers": {
    readonly answers: {
      readonly 200: readonly {
        readonly name: string;
        readonly title: string;
        readonly connected: boolean;
        /** As the provider had verified it when it was connected. */
        readonly email?: string;
        readonly connected_at?: string;
      }[];
    };
  };

  /** Begin to connect a provider. */
  "GET /v1/me/providers/{provider}/connect": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly answers: {
      readonly 200: {
        readonly auth_url: string;
      };
    };
  };

  /** Disconnect a provider. */
  "DELETE /v1/me/providers/{provider}": {
    readonly path: {
      /** At most 64 characters. */
      readonly provider: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Your teams. */
  "GET /v1/teams": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly PageSchemas["Team"][];
    };
  };

  /** Create a team that you own. */
  "POST /v1/teams": {
    readonly body: {
      /** 1 to 128 of letters, digits, space and _@'-. */
      readonly name: string;
    };
    readonly answers: {
      readonly 201: PageSchemas["Team"];
    };
  };

  /** A team and its members. */
  "GET /v1/teams/{id}": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 200: {
        readonly team: PageSchemas["Team"];
        readonly members: readonly PageSchemas["Member"][];
      };
    };
  };

  /** Rename a team; owners and admins. */
  "PATCH /v1/teams/{id}": {
    readonly path: {
      readonly id: string;
    };
    readonly body: {
      /** 1 to 128 of letters, digits, space and _@'-. */
      readonly name: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Delete a team with its capsules, templates, keys and invitations; its owner. */
  "DELETE /v1/teams/{id}": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Members of a team, as they joined. */
  "GET /v1/teams/{id}/members": {
    readonly path: {
      readonly id: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly PageSchemas["Member"][];
    };
  };

  /** Invite somebody as a member. */
  "POST /v1/teams/{id}/members": {
    readonly path: {
      readonly id: string;
    };
    readonly body: {
      /** Trimmed and lower-cased; contains @; at most 254 characters. */
      readonly email: string;
    };
    readonly answers: {
      readonly 202: {
        readonly email: string;
        readonly role: "admin" | "member";
        readonly status: "invited";
      };
    };
  };

  /** Change the role of a member; owners and admins. */
  "PATCH /v1/teams/{id}/members/{user}": {
    readonly path: {
      readonly id: string;
      readonly user: string;
    };
    readonly body: {
      readonly role: "admin" | "member";
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Remove a member; owners and admins. */
  "DELETE /v1/teams/{id}/members/{user}": {
    readonly path: {
      readonly id: string;
      readonly user: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Leave a team that you do not own. */
  "POST /v1/teams/{id}/leave": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Invite somebody by email. */
  "POST /v1/teams/{id}/invitations": {
    readonly path: {
      readonly id: string;
    };
    readonly body: {
      /** Trimmed and lower-cased; contains @; at most 254 characters. */
      readonly email: string;
      readonly role?: "admin" | "member";
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Open invitations of a team. */
  "GET /v1/teams/{id}/invitations": {
    readonly path: {
      readonly id: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly PageSchemas["Invitation"][];
    };
  };

  /** Withdraw an invitation. */
  "DELETE /v1/teams/{id}/invitations/{invitation}": {
    readonly path: {
      readonly id: string;
      readonly invitation: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Invitations to you. */
  "GET /v1/invitations": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly PageSchemas["Invitation"][];
    };
  };

  /** Accept an invitation. */
  "POST /v1/invitations/{id}/accept": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Decline an invitation. */
  "POST /v1/invitations/{id}/decline": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** What the team may use, and uses. */
  "GET /v1/quota": {
    readonly answers: {
      readonly 200: {
        readonly team_id: string;
        /** Capsules that have not ended, paused ones included. */
        readonly capsules: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Virtual CPUs of capsules that are not paused. */
        readonly vcpus: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Memory of capsules that are not paused, in MiB. */
        readonly memory_mb: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** What capsules, checkpoints and templates occupy on hosts, in MiB, with operations under way. */
        readonly disk_mb: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Templates of the team, with those that are being made. */
        readonly snapshots: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Checkpoints of all capsules, with those that are being made. */
        readonly checkpoints: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Checkpoints of one capsule: `used` is of the capsule that has most. */
        readonly capsule_checkpoints: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Builds of templates that have not ended. */
        readonly builds: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Notification channels. */
        readonly channels: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** API keys. */
        readonly api_keys: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
      };
    };
  };
}
