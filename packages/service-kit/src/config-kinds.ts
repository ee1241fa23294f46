import { accessSync, constants } from "node:fs";

export type Env = Readonly<Record<string, string | undefined>>;

/** What is known besides the text of the variable itself. */
export interface KindContext {
  readonly production: boolean;
  readonly env: Env;
}

export type Parsing<T> = { readonly value: T } | { readonly fault: string };

/**
 * One kind of variable. `parse` sees the text of a set variable, `absent` answers for one that is
 * unset or empty. A fault completes the sentence that begins with the variable's name and never
 * shows a secret.
 */
export interface Kind<T> {
  readonly about: string;
  /** What may be written, for faults and --help. */
  readonly expected: string;
  /** What --help shows as the default; null when there is none. */
  readonly fallback: string | null;
  parse(text: string, context: KindContext): Parsing<T>;
  absent(context: KindContext): Parsing<T>;
}

interface Options<T> {
  readonly about: string;
  readonly default?: T;
}

/** Fewest characters of a production secret. Source: 256 bits as 32 bytes, SEC-13. */
export const SECRET_LENGTH_MIN = 32;

function absentOf<T>(options: Options<T>): (context: KindContext) => Parsing<T> {
  const { about, default: fallback } = options;
  return () => (fallback === undefined ? { fault: `is missing (${about})` } : { value: fallback });
}

const shown = (value: unknown): string | null =>
  value === undefined ? null : Array.isArray(value) ? value.join(",") : String(value);

const refused = (text: string, expected: string, about: string): { fault: string } => ({
  fault: `is ${text}, expected ${expected} (${about})`,
});

/** Any text; `pattern` narrows it and `expected` says it in words. */
export function text(
  options: Options<string> & { readonly pattern?: RegExp; readonly expected?: string },
): Kind<string> {
  const expected = options.expected ?? (options.pattern ? String(options.pattern) : "text");
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given) =>
      options.pattern === undefined || options.pattern.test(given)
        ? { value: given }
        : refused(given, expected, options.about),
  };
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function numeric(options: Options<number> & Range, pattern: RegExp): Kind<number> {
  const expected = `${options.min}..${options.max}`;
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given) => {
      const value = Number(given);
      const fits = pattern.test(given) && value >= options.min && value <= options.max;
      return fits ? { value } : refused(given, expected, options.about);
    },
  };
}

/** A whole number within min..max, both included. */
export const integer = (options: Options<number> & Range): Kind<number> =>
  numeric(options, /^-?\d+$/);

/** A decimal number within min..max, both included. */
export const number = (options: Options<number> & Range): Kind<number> =>
  numeric(options, /^-?\d+(\.\d+)?$/);

/** A TCP port; 0 takes a free one. */
export const port = (options: Options<number>): Kind<number> =>
  integer({ ...options, min: 0, max: 65_535 });

/** true or false. `developmentOnly`: production refuses true. */
export function flag(
  options: Options<boolean> & { readonly developmentOnly?: boolean },
): Kind<boolean> {
  const expected = "true or false";
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given, { production }) => {
      if (given !== "true" && given !== "false") return refused(given, expected, options.about);
      const value = given === "true";
      if (value && production && options.developmentOnly) {
        return { fault: `is true, which production refuses (${options.about})` };
      }
      return { value };
    },
  };
}

/** One of a closed list of words. */
export function oneOf<const V extends string>(
  values: readonly V[],
  options: Options<NoInfer<V>>,
): Kind<V> {
  const expected = values.join(" | ");
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given) => {
      const value = values.find((candidate) => candidate === given);
      return value === undefined ? refused(given, expected, options.about) : { value };
    },
  };
}

/** Comma-separated items, each trimmed, empty ones left out; `pattern` holds for each. */
export function list(
  options: Options<readonly string[]> & {
    readonly pattern?: RegExp;
    readonly expected?: string;
    readonly countMin?: number;
  },
): Kind<readonly string[]> {
  const expected = options.expected ?? "comma-separated values";
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given) => {
      const value = given.split(",").flatMap((item) => item.trim() || []);
      const { pattern, countMin = 0 } = options;
      const fits = value.length >= countMin && value.every((item) => pattern?.test(item) ?? true);
      return fits ? { value } : refused(given, expected, options.about);
    },
  };
}

/** A URL of one of `schemes` (without colon). A password in it is not shown in faults. */
export function url(
  options: Options<string> & { readonly schemes: readonly string[] },
): Kind<string> {
  const expected = `a URL ${options.schemes.map((scheme) => `${scheme}://…`).join(" or ")}`;
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given) => {
      const scheme = URL.parse(given)?.protocol.slice(0, -1);
      if (scheme !== undefined && options.schemes.includes(scheme)) return { value: given };
      return { fault: `is not ${expected} (${options.about})` };
    },
  };
}

/**
 * A secret: never shown. Production refuses the development default, a shorter one than 32
 * characters, and one with so few different characters that it was not drawn at random.
 */
export function secret(options: {
  readonly about: string;
  readonly developmentDefault?: string;
}): Kind<string> {
  const { about, developmentDefault } = options;
  return {
    about,
    expected: `a secret of ${SECRET_LENGTH_MIN} characters or more`,
    fallback: developmentDefault === undefined ? null : "(development only)",
    absent: ({ production }) =>
      production || developmentDefault === undefined
        ? { fault: `is missing (${about})` }
        : { value: developmentDefault },
    parse: (given, { production }) => {
      if (!production) return { value: given };
      if (given === developmentDefault) {
        return { fault: `is the development default, which production refuses (${about})` };
      }
      if (given.length < SECRET_LENGTH_MIN) {
        return {
          fault: `has under ${SECRET_LENGTH_MIN} characters, too short for production (${about})`,
        };
      }
      // 8 kinds of characters: a random 32-digit hex value has fewer once in 60,000 draws.
      if (new Set(given).size < 8) {
        return { fault: `repeats itself, production wants a random one (${about})` };
      }
      return { value: given };
    },
  };
}

/** Several secrets, comma-separated, for which the same holds; none when unset. */
export function secrets(options: { readonly about: string }): Kind<readonly string[]> {
  const one = secret(options);
  return {
    about: options.about,
    expected: `${one.expected} each, comma-separated`,
    fallback: "(none)",
    absent: () => ({ value: [] }),
    parse(given, context) {
      const value: string[] = [];
      for (const item of given.split(",").flatMap((each) => each.trim() || [])) {
        const parsing = one.parse(item, context);
        if ("fault" in parsing) return { fault: `holds one that ${parsing.fault}` };
        value.push(parsing.value);
      }
      return { value };
    },
  };
}

/** The path of a file that must be readable when the service starts. */
export function file(options: Options<string>): Kind<string> {
  const expected = "the path of a readable file";
  return {
    about: options.about,
    expected,
    fallback: shown(options.default),
    absent: absentOf(options),
    parse: (given) => {
      try {
        accessSync(given, constants.R_OK);
        return { value: given };
      } catch {
        return refused(given, expected, options.about);
      }
    },
  };
}

/** May be unset: then null. */
export function optional<T>(kind: Kind<T>): Kind<T | null> {
  return { ...kind, fallback: "(none)", absent: () => ({ value: null }) };
}

/**
 * A condition on other variables. `fault` gets all variables and completes the sentence that begins
 * with this one's name, or answers null; it is asked whether this variable is set or not.
 */
export function given<T>(kind: Kind<T>, fault: (context: KindContext) => string | null): Kind<T> {
  const checked = (parsing: Parsing<T>, context: KindContext): Parsing<T> => {
    const why = "fault" in parsing ? null : fault(context);
    return why === null ? parsing : { fault: `${why} (${kind.about})` };
  };
  return {
    ...kind,
    parse: (value, context) => checked(kind.parse(value, context), context),
    absent: (context) => checked(kind.absent(context), context),
  };
}
