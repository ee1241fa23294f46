import type { Ask, Performer, RequestKind, Screen, State, Step } from "./types.ts";

/** Performs what `step` asks for, one after the other, up to the screen. */
export async function settle(
  step: Step,
  performer: Performer,
): Promise<{ readonly state: State; readonly screen: Screen }> {
  let current = step;
  while (current.kind !== "screen") current = await performed(current, performer);
  return current;
}

async function performed<K extends RequestKind>(ask: Ask<K>, performer: Performer): Promise<Step> {
  return ask.next(await performer[ask.kind](ask.request));
}
