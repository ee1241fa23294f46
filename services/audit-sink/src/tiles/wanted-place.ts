import { parseArgs } from "node:util";
import { placeFault } from "./store-of.ts";

/** What a command about tiles is asked for. */
export interface WantedPlace {
  readonly place: string;
  /** Verifier keys besides those that are configured. */
  readonly key: readonly string[];
  readonly unrecorded: boolean;
}

/** `name`: the option that names the place. Throws: Error, what is wrong with the arguments. */
export function wantedPlace(name: "to" | "from", args: string[]): WantedPlace {
  const key = { type: "string", multiple: true } as const;
  const unrecorded = { type: "boolean" } as const;
  const options = { [name]: { type: "string" }, key, unrecorded } as const;
  const { values } = parseArgs({ args, options });
  const place = (values as Readonly<Record<string, unknown>>)[name];
  if (typeof place !== "string") throw new Error(`--${name} is missing`);
  const fault = placeFault(place);
  if (fault !== null) throw new Error(`--${name} ${fault}`);
  return { place, key: values.key ?? [], unrecorded: values.unrecorded ?? false };
}
