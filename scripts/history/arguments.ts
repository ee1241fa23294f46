import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, VigError } from "@vigie/core/errors";
import { TENANT_ID } from "@vigie/core/keys";

/** Texts given by name on the command line. Throws: VIG_ARGUMENT_INVALID for a name that is none of these. */
export function namedArguments<N extends string>(
  argv: readonly string[],
  names: readonly N[],
): Readonly<Partial<Record<N, string>>> {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  try {
    return parseArgs({ args: [...argv], options }).values as Partial<Record<N, string>>;
  } catch (cause) {
    throw invalid("arguments", messageOf(cause), cause);
  }
}

const invalid = (name: string, why: string, cause?: unknown): VigError =>
  new VigError("VIG_ARGUMENT_INVALID", { name, why }, { cause });

/** A day, or a time with its zone: one without would be another one on another machine. */
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** Throws: VIG_ARGUMENT_INVALID. */
export function timeOf(name: string, text: string | undefined, fallbackMs: number): number {
  if (text === undefined) return fallbackMs;
  const ms = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw invalid(name, `${text} is no time such as 2026-11-20 or 2026-11-20T08:00:00Z`);
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Throws: VIG_ARGUMENT_INVALID. */
export function spanOf(
  { from, to }: { readonly from?: string; readonly to?: string },
  lastMs: number,
): Span {
  const span = { fromMs: timeOf("--from", from, 0), toMs: timeOf("--to", to, lastMs) };
  if (span.toMs <= span.fromMs) throw invalid("--to", "is not after --from");
  return span;
}

/** Null: all. Throws: VIG_ARGUMENT_INVALID. */
export function tenantOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (!TENANT_ID.test(text)) throw invalid("--tenant", `${text} is no tenant's id`);
  return text;
}

export function needed(name: string, text: string | undefined): string {
  if (text === undefined || text === "") throw invalid(name, "is needed");
  return text;
}

const DEVELOPMENT_KEYS = join(import.meta.dirname, "..", "..", ".vigie", "keys", "kms.json");

/** What `npm start` brings up stands in for what is not set. */
export const withDevelopment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  env.NODE_ENV === "production"
    ? env
    : {
        KAFKA_BROKERS: `127.0.0.1:${env.VIGIE_KAFKA_PORT || 9092}`,
        SCHEMA_REGISTRY_URL: `http://127.0.0.1:${env.VIGIE_REGISTRY_PORT || 8081}/apis/ccompat/v7`,
        ...(existsSync(DEVELOPMENT_KEYS) && { VIGIE_KEYS_FILE: DEVELOPMENT_KEYS }),
        ...env,
      };
