import { countriesOfMcc } from "@vigie/core/mcc";
import type { EventSim } from "#rules/rule";

/** By MCC: a code has three digits. */
const known = new Map<number, EventSim>();
const MCC_LIMIT = 1_000;

/** The SIM of a mobile country code; one object for each, since most events come with one. */
export function simOf(mcc: number): EventSim {
  const sim = known.get(mcc);
  if (sim !== undefined) return sim;
  const made: EventSim = { mcc, countries: countriesOfMcc(mcc) };
  if (mcc < MCC_LIMIT) known.set(mcc, made);
  return made;
}
