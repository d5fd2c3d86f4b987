// Generated from the server's OpenAPI document by `npm run sdk:types`; do not edit.

/** Objects of the API by their names in its description. */
export interface AccountSchemas {
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

  /** A machine that capsules run on. */
  Host: {
    readonly id: string;
    /** regular: of the platform; byoc: of one team. */
    readonly type: string;
    readonly team_id?: string;
    readonly provider?: string;
    readonly availability_zone?: string;
    readonly arch?: string;
    readonly cpu_cores?: number;
    readonly memory_mb?: number;
    readonly disk_gb?: number;
    /** Absent for a server's own machine. */
    readonly address?: string;
    /** pending, online, unreachable, draining or offline. */
    readonly status: string;
    readonly last_heartbeat_at?: string;
    readonly cert_expires_at?: string;
    readonly created_by?: string;
    readonly created_at: string;
    readonly updated_at: string;
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
export interface AccountRoutes {
  /** Register a host with the token of its announcement. */
  "POST /v1/hosts/register": {
    readonly body: {
      /** At most 256 characters. */
      readonly token: string;
      /** HOST:PORT at which control planes reach its agent. */
      readonly address: string;
      /** Certificate request, PEM; the key stays at the host; at most 8192 characters. */
      readonly csr_pem: string;
      /** The host that the machine has joined as: a token of another host is refused; at most 64 characters. */
      readonly host_id?: string;
      /** At most 16 characters. */
      readonly arch: string;
      /** At least 1, at most 2147483647. */
      readonly cpu_cores: number;
      /** At least 1, at most 2147483647. */
      readonly memory_mb: number;
      /** At least 1, at most 2147483647. */
      readonly disk_gb: number;
    };
    readonly answers: {
      readonly 201: {
        readonly host: AccountSchemas["Host"];
        /** For heartbeats, seven days. */
        readonly token: string;
        /** Good for 60 days, until its successor is used. */
        readonly refresh_token: string;
        readonly cert_pem: string;
        readonly ca_cert_pem: string;
      };
    };
  };

  /** Renew token and certificate of a host. */
  "POST /v1/hosts/auth/refresh": {
    readonly body: {
      /** At most 256 characters. */
      readonly refresh_token: string;
      /** Certificate request, PEM; the key stays at the host; at most 8192 characters. */
      readonly csr_pem: string;
    };
    readonly answers: {
      readonly 200: {
        readonly host: AccountSchemas["Host"];
        /** For heartbeats, seven days. */
        readonly token: string;
        /** Good for 60 days, until its successor is used. */
        readonly refresh_token: string;
        readonly cert_pem: string;
        readonly ca_cert_pem: string;
      };
    };
  };

  /** A sign of life of a host. */
  "POST /v1/hosts/{id}/heartbeat": {
    readonly path: {
      readonly id: string;
    };
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
      readonly 200: AccountSchemas["AuthResponse"];
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
      readonly 201: AccountSchemas["ApiKey"];
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
      readonly 200: readonly AccountSchemas["ApiKey"][];
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

  /** Your teams. */
  "GET /v1/teams": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly AccountSchemas["Team"][];
    };
  };

  /** Create a team that you own. */
  "POST /v1/teams": {
    readonly body: {
      /** 1 to 128 of letters, digits, space and _@'-. */
      readonly name: string;
    };
    readonly answers: {
      readonly 201: AccountSchemas["Team"];
    };
  };

  /** A team and its members. */
  "GET /v1/teams/{id}": {
    readonly path: {
      readonly id: string;
    };
    readonly answers: {
      readonly 200: {
        readonly team: AccountSchemas["Team"];
        readonly members: readonly AccountSchemas["Member"][];
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
      readonly 200: readonly AccountSchemas["Member"][];
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
      readonly 200: readonly AccountSchemas["Invitation"][];
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
      readonly 200: readonly AccountSchemas["Invitation"][];
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

  /** Announce a host, and get the token that registers it. */
  "POST /v1/hosts": {
    readonly body: {
      readonly type: "regular" | "byoc";
      readonly team_id?: string;
      /** At most 128 characters. */
      readonly provider?: string;
      /** At most 128 characters. */
      readonly availability_zone?: string;
    };
    readonly answers: {
      readonly 201: {
        readonly host: AccountSchemas["Host"];
        /** Good once, for an hour. */
        readonly registration_token: string;
      };
    };
  };

  /** Hosts that you may see. */
  "GET /v1/hosts": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly AccountSchemas["Host"][];
    };
  };

  /** One host. */
  "GET /v1/hosts/{id}": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: AccountSchemas["Host"];
    };
  };

  /** Give up a host. */
  "DELETE /v1/hosts/{id}": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly query?: {
      readonly force?: boolean;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** What would go with a host: running and paused capsules, and templates made there. */
  "GET /v1/hosts/{id}/delete-preview": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: {
        readonly host: AccountSchemas["Host"];
        readonly sandbox_ids: readonly string[];
        readonly templates: readonly string[];
      };
    };
  };

  /** A new registration token for a host that has not come yet. */
  "POST /v1/hosts/{id}/token": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly answers: {
      readonly 201: {
        readonly host: AccountSchemas["Host"];
        /** Good once, for an hour. */
        readonly registration_token: string;
      };
    };
  };

  /** Revoke the credentials of a host, and get a token with which it registers again. */
  "POST /v1/hosts/{id}/rotate": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly answers: {
      readonly 201: {
        readonly host: AccountSchemas["Host"];
        /** Good once, for an hour. */
        readonly registration_token: string;
      };
    };
  };

  /** Let a host take no new capsules, or take them again. */
  "POST /v1/hosts/{id}/drain": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly body: {
      readonly enabled: boolean;
    };
    readonly answers: {
      readonly 200: AccountSchemas["Host"];
    };
  };

  /** Tags of a host. */
  "GET /v1/hosts/{id}/tags": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly string[];
    };
  };

  /** Tag a host. */
  "POST /v1/hosts/{id}/tags": {
    readonly path: {
      /** Host id, `host-` and 25 characters. */
      readonly id: string;
    };
    readonly body: {
      /** At most 64 characters. */
      readonly tag: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Take a tag from a host. */
  "DELETE /v1/hosts/{id}/tags/{tag}": {
    readonly path: {
      readonly id: string;
      /** At most 64 characters. */
      readonly tag: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };
}
