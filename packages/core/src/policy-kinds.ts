/** What a part of a policy document may hold: read, described as JSON Schema and merged from one description. */

/** A JSON Schema, draft 2020-12, as a plain object. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** One thing that is wrong: `path` as in `impossible_travel.kmh_threshold`, "" for the document itself. */
export interface PolicyFault {
  readonly path: string;
  readonly why: string;
}

/**
 * overlay: the later document counts. refine: the role or channel counts, and adds to lists.
 * strictest: of two roles of one person, whichever is harder on them.
 */
export type Merge = "overlay" | "refine" | "strictest";

/** Where a value is read. */
export interface Place {
  readonly path: string;
  readonly faults: PolicyFault[];
  /** Whether a name that this version does not know is a fault; otherwise it is left out. */
  readonly strict: boolean;
}

export interface Kind<T> {
  readonly schema: JsonSchema;
  /** Undefined when it is of another kind, and then the place has a fault. */
  read(value: unknown, at: Place): T | undefined;
  merge(how: Merge, one: T, other: T): T;
}

const fault = ({ path, faults }: Place, why: string): undefined => void faults.push({ path, why });

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const within = (at: Place, name: string): Place => ({
  ...at,
  path: at.path === "" ? name : `${at.path}.${name}`,
});

interface NumberOptions {
  readonly about: string;
  readonly min: number;
  readonly max: number;
  /** The bound of an earlier version: what was stored under it counts as `max`, and is refused from now on. */
  readonly formerMax?: number;
  readonly integer?: boolean;
  readonly strictest: (one: number, other: number) => number;
}

export function number(options: NumberOptions): Kind<number> {
  const { about, min, max, formerMax = max, integer = false, strictest } = options;
  const expected = `is not ${integer ? "an integer" : "a number"} ${min}..${max}`;
  return {
    schema: {
      type: integer ? "integer" : "number",
      minimum: min,
      maximum: max,
      description: about,
    },
    read(value, at) {
      const most = at.strict ? max : formerMax;
      const fits = typeof value === "number" && value >= min && value <= most;
      return fits && (!integer || Number.isInteger(value))
        ? Math.min(value, max)
        : fault(at, expected);
    },
    merge: (how, one, other) => (how === "strictest" ? strictest(one, other) : other),
  };
}

/** `words`: from the mildest to the strictest. */
export function word<W extends string>(about: string, words: readonly W[]): Kind<W> {
  return {
    schema: { enum: words, description: about },
    read: (value, at) =>
      words.find((each) => each === value) ?? fault(at, `is not one of ${words.join(", ")}`),
    merge: (how, one, other) =>
      how === "strictest" && words.indexOf(one) > words.indexOf(other) ? one : other,
  };
}

/** A set, as a list without repetition. */
export function texts(options: {
  readonly about: string;
  readonly pattern: RegExp;
  readonly expected: string;
  readonly max: number;
}): Kind<readonly string[]> {
  const { about, pattern, expected, max } = options;
  const fits = (value: unknown): value is readonly string[] =>
    Array.isArray(value) &&
    value.length <= max &&
    value.every((each) => typeof each === "string" && pattern.test(each)) &&
    new Set(value).size === value.length;
  return {
    schema: {
      type: "array",
      uniqueItems: true,
      maxItems: max,
      items: { type: "string", pattern: pattern.source },
      description: about,
    },
    read: (value, at) =>
      fits(value) ? value : fault(at, `is not a list of up to ${max} different ${expected}`),
    merge: (how, one, other) =>
      how === "overlay" ? other : [...new Set([...one, ...other])].sort(),
  };
}

type Fields<T> = { readonly [Name in keyof T]-?: Kind<Exclude<T[Name], undefined>> };

/** An object with these fields, of which any may be left out. */
export function group<T extends object>(about: string, fields: Fields<T>): Kind<Partial<T>> {
  const kinds = new Map<string, Kind<unknown>>(Object.entries(fields));
  const properties = Object.fromEntries([...kinds].map(([name, { schema }]) => [name, schema]));
  return {
    schema: { type: "object", additionalProperties: false, properties, description: about },
    read(value, at) {
      if (!isObject(value)) return fault(at, "is not an object");
      const read: Record<string, unknown> = {};
      for (const [name, own] of Object.entries(value)) {
        const kind = kinds.get(name);
        const place = within(at, name);
        if (kind !== undefined) read[name] = kind.read(own, place);
        else if (at.strict) fault(place, "is not a field that is known here");
      }
      return read as Partial<T>;
    },
    merge: (how, one, other) =>
      mergeParts((name) => kinds.get(name), how, { ...one }, { ...other }) as Partial<T>,
  };
}

/** An object of any names that fit, each with the same kind of value. */
export function dictionary<T>(options: {
  readonly about: string;
  readonly names: RegExp;
  /** The names that this version knows; undefined: any that fits. */
  readonly known?: readonly string[];
  readonly max: number;
  readonly of: Kind<T>;
}): Kind<Readonly<Record<string, T>>> {
  const { about, names, known, max, of } = options;
  const isKnown = (name: string): boolean => known?.includes(name) ?? true;
  return {
    schema: {
      type: "object",
      maxProperties: max,
      propertyNames: known === undefined ? { pattern: names.source } : { enum: known },
      additionalProperties: of.schema,
      description: about,
    },
    read(value, at) {
      if (!isObject(value)) return fault(at, "is not an object");
      const entries = Object.entries(value);
      if (entries.length > max) return fault(at, `has more than ${max} entries`);
      const read: Record<string, T> = {};
      for (const [name, own] of entries) {
        const place = within(at, name);
        if (!names.test(name) || (at.strict && !isKnown(name))) fault(place, "is no name for this");
        else {
          const part = of.read(own, place);
          if (part !== undefined) read[name] = part;
        }
      }
      return read;
    },
    merge: (how, one, other) =>
      mergeParts(() => of as Kind<unknown>, how, one, other) as Record<string, T>,
  };
}

type Parts = Readonly<Record<string, unknown>>;

function mergeParts(
  kindOf: (name: string) => Kind<unknown> | undefined,
  how: Merge,
  one: Parts,
  other: Parts,
): Parts {
  const merged: Record<string, unknown> = { ...one };
  for (const [name, theirs] of Object.entries(other)) {
    const kind = Object.hasOwn(one, name) ? kindOf(name) : undefined;
    merged[name] = kind === undefined ? theirs : kind.merge(how, one[name], theirs);
  }
  return merged;
}
