import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { importPKCS8, SignJWT } from "jose";

/** The claims of a development token, as people ask for them on the command line. */
export interface TokenRequest {
  readonly tenant: string;
  readonly user: string;
  readonly scopes: readonly string[];
  readonly roles: readonly string[];
  readonly sid?: string;
  readonly client?: string;
  readonly userType?: string;
  readonly ttlS: number;
}

export interface TokenIssuer {
  /** PKCS #8 PEM of an RSA key. */
  readonly privateKey: string;
  readonly issuer: string;
  readonly audience: string;
}

const TTL_DEFAULT_S = 3_600;
const TTL_UNITS_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** An access token, RS256, with the claims that every edge reads. */
export async function signToken(request: TokenRequest, issuer: TokenIssuer): Promise<string> {
  const { tenant, user, scopes, roles, sid, client, userType, ttlS } = request;
  const nowS = Math.floor(Date.now() / 1_000);
  return new SignJWT({
    tenant_id: tenant,
    type: "access",
    scope: scopes.join(" "),
    ...(roles.length > 0 ? { roles } : {}),
    ...(sid === undefined ? {} : { sid }),
    ...(client === undefined ? {} : { client_id: client }),
    ...(userType === undefined ? {} : { user_type: userType }),
  })
    .setProtectedHeader({ alg: "RS256", typ: "JWT" })
    .setSubject(user)
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + ttlS)
    .sign(await importPKCS8(issuer.privateKey, "RS256"));
}

/** Seconds of "90", "90s", "15m", "8h" or "30d"; null for anything else. */
export function parseTtlS(text: string): number | null {
  const match = /^([1-9]\d{0,6})([smhd]?)$/.exec(text);
  return match === null ? null : Number(match[1]) * (TTL_UNITS_S[match[2] || "s"] ?? 1);
}

const words = (text: string | undefined): string[] => (text ?? "").split(/[\s,]+/).filter(Boolean);

/** The issuer that `npm start` has made keys for, and whose tokens its services accept. */
export function developmentIssuer(env: NodeJS.ProcessEnv): TokenIssuer {
  const path =
    env.JWT_PRIVATE_KEY ?? join(import.meta.dirname, "..", ".vigie", "keys", "jwt-private.pem");
  return {
    privateKey: path.startsWith("-----BEGIN") ? path : readFileSync(path, "utf8"),
    issuer: env.JWT_ISSUER ?? "https://id.molam.example",
    audience: env.JWT_AUDIENCE ?? "molam-id",
  };
}

const USAGE = `npm run token -- --tenant T --user U [--scope "events:write id:admin"] [--sid SESSION]
                 [--roles r1,r2] [--client ID] [--user-type EXTERNAL|INTERNAL] [--ttl 1h]
Prints a development token (RS256) that the services of npm start accept.`;

function parseRequest(argv: readonly string[]): TokenRequest | string {
  const text = { type: "string" } as const;
  const names = ["tenant", "user", "scope", "sid", "roles", "client", "user-type", "ttl"] as const;
  const options = Object.fromEntries(names.map((name) => [name, text]));
  let values: Readonly<Record<string, string | undefined>>;
  try {
    ({ values } = parseArgs({ args: [...argv], options }) as { values: typeof values });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const ttlS = values.ttl === undefined ? TTL_DEFAULT_S : parseTtlS(values.ttl);
  if (!values.tenant || !values.user) return "--tenant and --user are needed";
  if (ttlS === null) return `--ttl ${values.ttl} is none of 90s, 15m, 8h, 30d`;
  return {
    tenant: values.tenant,
    user: values.user,
    scopes: words(values.scope ?? "events:write"),
    roles: words(values.roles),
    ...(values.sid ? { sid: values.sid } : {}),
    ...(values.client ? { client: values.client } : {}),
    ...(values["user-type"] ? { userType: values["user-type"] } : {}),
    ttlS,
  };
}

async function main(): Promise<number> {
  const request = parseRequest(process.argv.slice(2));
  if (typeof request === "string") {
    console.error(`${request}\n${USAGE}`);
    return 64; // EX_USAGE of sysexits.h
  }
  try {
    console.log(await signToken(request, developmentIssuer(process.env)));
    return 0;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    console.error(missing ? "There are no development keys yet: npm start makes them." : error);
    return 1;
  }
}

if (import.meta.main) process.exit(await main());
