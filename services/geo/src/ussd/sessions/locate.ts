import type { UssdInput } from "../callback.ts";
import type { Kept } from "./dialogue-store.ts";
import type { Marks } from "./marks.ts";

/** More were typed by no person; a real dialogue has a dozen. */
export const STEPS_MAX = 50;

/** Nobody has read a screen and answered it sooner; what comes before was sent for an earlier one. */
export const READ_MS = 500;

/** What a callback is to its dialogue. */
export type Located =
  /** `steps` are new, `markBefore` is that of the `stepsBefore` before them. */
  | { readonly kind: "next"; readonly steps: readonly string[] }
  /** New, and more than a person types: the dialogue ends. */
  | { readonly kind: "excess" }
  /** The last one again. */
  | { readonly kind: "repeat" }
  /** An earlier one, or one that nobody can have typed here. */
  | { readonly kind: "stale" };

const STALE: Located = { kind: "stale" };
/** `before` were taken already. */
const next = (steps: readonly string[], before: number): Located =>
  before + steps.length > STEPS_MAX ? { kind: "excess" } : { kind: "next", steps };

/**
 * Shape: `dialled` is what followed the service code as it was dialled: `1` of `*131*1#`.
 * Nothing that was typed is taken twice, whatever is delivered twice, late or in another order.
 */
export function locate(
  kept: Kept,
  input: UssdInput,
  dialled: readonly string[],
  marks: Marks,
  heardAtMs: number,
): Located {
  if (input.kind === "whole") {
    return locateWhole(kept, [...dialled, ...stepsOf(input.text)], marks);
  }
  const located = locateStep(kept, input, dialled, marks);
  // Without a number nothing but its time tells a step from a repeat of the last one.
  const isUnread = input.number === null && heardAtMs < kept.answeredAtMs + READ_MS;
  return located.kind !== "repeat" && isUnread ? STALE : located;
}

function locateWhole(kept: Kept, all: readonly string[], marks: Marks): Located {
  if (all.length < kept.steps) return STALE;
  if (marks.after(marks.first, all.slice(0, kept.steps)) !== kept.mark) return STALE;
  const isNew = kept.answered === null || all.length > kept.steps;
  return isNew ? next(all.slice(kept.steps), kept.steps) : { kind: "repeat" };
}

function locateStep(
  kept: Kept,
  { number, text }: Extract<UssdInput, { kind: "step" }>,
  dialled: readonly string[],
  marks: Marks,
): Located {
  const opens = number === 0 || (number === null && text === "");
  const steps = opens ? dialled : [text];
  if (kept.answered === null) return opens ? next(steps, 0) : STALE;
  const before = opens ? 0 : number === null ? kept.steps : dialled.length + number - 1;
  const isRepeat = before === kept.stepsBefore && marks.after(kept.markBefore, steps) === kept.mark;
  if (isRepeat) return { kind: "repeat" };
  return before === kept.steps ? next(steps, before) : STALE;
}

const stepsOf = (text: string): readonly string[] => (text === "" ? [] : text.split("*"));

/**
 * What was dialled after the service code: `1` for `*131*1#` with the code `*131#`.
 * Null: `dialled` is of another code.
 */
export function dialledAfter(serviceCode: string, dialled: string): readonly string[] | null {
  if (dialled === serviceCode) return [];
  const root = serviceCode.slice(0, -1);
  if (!dialled.startsWith(root) || !dialled.endsWith("#")) return null;
  const rest = dialled.slice(root.length, -1);
  return rest.startsWith("*") ? rest.slice(1).split("*") : null;
}
