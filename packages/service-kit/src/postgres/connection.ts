import { readFileSync } from "node:fs";
import { VigError } from "@vigie/core/errors";
import type { ClientConfig } from "pg";
import pg from "pg";
import { sslmodeOf, urlFault } from "./url.ts";

/** How to reach one PostgreSQL database and what a connection is set to. */
export interface DatabaseOptions {
  /** postgres://…; sslmode disable (default), require, verify-ca or verify-full as in libpq. */
  readonly url: string;
  /** PEM of the authority that signed the server. */
  readonly caPath?: string | null;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** First on the search path; see schemaOf. */
  readonly schema: string;
  /** Taken on at once by every connection: with the rights of this role, not of the login. */
  readonly role?: string;
  readonly statementTimeoutMs: number;
}

/** A connection that is not there after this is away. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A transaction forgotten open would hold back vacuum and locks. */
const IDLE_TRANSACTION_TIMEOUT_MS = 60_000;

/** The schema of a topic prefix: what is not alphanumeric becomes "_"; no prefix is "vigie". */
export function schemaOf(prefix: string): string {
  return prefix === "" ? "vigie" : prefix.replace(/[^A-Za-z0-9]/g, "_").toLowerCase();
}

const NAME = /^[a-z_0-9]{1,63}$/;

/** Throws: VIG_CONFIG_INVALID for an sslmode, schema or role that is none. */
export function clientConfig(options: DatabaseOptions): ClientConfig {
  const url = new URL(options.url);
  const fault = urlFault(options.url);
  if (fault !== null) throw invalid(fault);
  const sslmode = sslmodeOf(options.url);
  url.searchParams.delete("sslmode");
  for (const name of [options.schema, options.role ?? "none"]) {
    if (!NAME.test(name)) throw invalid(`${name} is no name of a schema or role`);
  }
  const settings = [`search_path=${options.schema}`, "timezone=UTC"];
  if (options.role !== undefined) settings.push(`role=${options.role}`);
  return {
    connectionString: url.href,
    ssl: tlsOf(sslmode, options.caPath ?? null),
    application_name: options.applicationName,
    statement_timeout: options.statementTimeoutMs,
    // One that does not even time out: the server or the way to it is gone.
    query_timeout: options.statementTimeoutMs + CONNECT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    options: settings.map((setting) => `-c ${setting}`).join(" "),
    types: { getTypeParser },
  };
}

const invalid = (fault: string): VigError =>
  new VigError("VIG_CONFIG_INVALID", { count: 1, faults: `  DATABASE_URL: ${fault}` });

/** Source: libpq, SSL mode descriptions; `require` encrypts and trusts whoever answers. */
function tlsOf(sslmode: string, caPath: string | null): ClientConfig["ssl"] {
  const ca = caPath === null ? {} : { ca: readFileSync(caPath, "utf8") };
  switch (sslmode) {
    case "disable":
      return false;
    case "require":
      return { rejectUnauthorized: false };
    case "verify-ca":
      return { ...ca, rejectUnauthorized: true, checkServerIdentity: () => undefined };
    default:
      return { ...ca, rejectUnauthorized: true };
  }
}

/** Counts and longs as numbers (all of ours are below 2^53); timestamps without a zone are UTC. */
const getTypeParser = ((oid: number, format?: "text" | "binary") => {
  if (format !== "binary" && oid === pg.types.builtins.INT8) return Number;
  if (format !== "binary" && oid === pg.types.builtins.TIMESTAMP) {
    return (text: string) => new Date(`${text.replace(" ", "T")}Z`);
  }
  return pg.types.getTypeParser(oid, format as "text");
}) as typeof pg.types.getTypeParser;
