import { VigError } from "@vigie/core/errors";
import type { Env, Kind, KindContext } from "./config-kinds.ts";

export * from "./config-kinds.ts";

export type Schema = Readonly<Record<string, Kind<unknown>>>;
export type Parsed<S extends Schema> = {
  readonly [K in keyof S]: S[K] extends Kind<infer T> ? T : never;
};

/** Source: sysexits.h, EX_CONFIG. */
export const EXIT_CONFIG = 78;

/** What loadConfig needs of a process; `process` itself fits. */
export interface ConfigSource {
  readonly env: Env;
  readonly argv: readonly string[];
  readonly stdout?: { write(text: string): unknown };
  readonly stderr?: { write(text: string): unknown };
  exit?(code: number): never;
}

/** All variables, or all faults, one line each. */
export function parseConfig<S extends Schema>(
  schema: S,
  env: Env,
): { readonly config: Parsed<S> } | { readonly faults: readonly string[] } {
  const context = contextOf(env);
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(schema)) {
    const text = context.env[name];
    const parsing = text ? kind.parse(text, context) : kind.absent(context);
    if ("fault" in parsing) faults.push(`${name} ${parsing.fault}`);
    else values[name] = parsing.value;
  }
  return faults.length > 0 ? { faults } : { config: values as Parsed<S> };
}

/**
 * Trimmed before anything is judged: NODE_ENV with a blank behind it is production as well, and a
 * key of blanks is none.
 */
function contextOf(env: Env): KindContext {
  const trimmed = Object.entries(env).map(([name, text]) => [name, text?.trim()] as const);
  const clean: Env = Object.fromEntries(trimmed);
  return { production: clean.NODE_ENV === "production", env: clean };
}

/**
 * The service's configuration from its environment; nothing else reads process.env.
 * `--help` prints the variables and exits 0. `--check-config` exits 0, or 78 with every fault.
 * Without a flag faults are printed all at once, and the process exits 78.
 */
export function loadConfig<S extends Schema>(schema: S, source: ConfigSource): Parsed<S> {
  const { stdout = process.stdout, stderr = process.stderr } = source;
  const exit = (code: number): never =>
    source.exit === undefined ? process.exit(code) : source.exit(code);
  if (source.argv.includes("--help")) {
    stdout.write(helpTable(schema));
    return exit(0);
  }
  const parsed = parseConfig(schema, source.env);
  if ("faults" in parsed) {
    stderr.write(`${faultError(parsed.faults).message}\n`);
    return exit(EXIT_CONFIG);
  }
  if (source.argv.includes("--check-config")) {
    stdout.write("the configuration is valid\n");
    return exit(0);
  }
  return parsed.config;
}

/** All faults as one error. */
export function faultError(faults: readonly string[]): VigError {
  const lines = faults.map((fault) => `  ${fault}`).join("\n");
  return new VigError("VIG_CONFIG_INVALID", { count: faults.length, faults: lines });
}

/**
 * The variables of a service, one line each: name, what it is about, what may be written, default.
 */
export function helpTable(schema: Schema): string {
  const names = Object.keys(schema);
  const width = Math.max(...names.map((name) => name.length));
  const line = (name: string, kind: Kind<unknown>): string => {
    const fallback = kind.fallback === null ? "required" : `default ${kind.fallback || '""'}`;
    return `${name.padEnd(width)}  ${kind.about}; ${kind.expected}; ${fallback}\n`;
  };
  return Object.entries(schema)
    .map(([name, kind]) => line(name, kind))
    .join("");
}
