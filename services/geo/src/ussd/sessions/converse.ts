import { setTimeout as wait } from "node:timers/promises";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import type { HmacKey, Keys } from "@vigie/service-kit/kms/keys";
import type { UssdCallback } from "../callback.ts";
import { hangUp, open, step } from "../machine/machine.ts";
import { settle } from "../machine/run.ts";
import { overScreen } from "../machine/screens.ts";
import type { Facts, Performer, Screen, Step } from "../machine/types.ts";
import type { DialogueStore, Kept } from "./dialogue-store.ts";
import { claim, type Every, everyReal } from "./lease.ts";
import { locate } from "./locate.ts";
import { type DialogueId, dialogueKeys, type Marks, marksOf, nameOf } from "./marks.ts";

/** Names what one step of one dialogue does: the same again when a crash lets it be done again. */
export interface StepId {
  /** Says nothing of phone or user; unique. */
  readonly dialogue: string;
  /** Steps before and including this one; 0: the code was dialled. */
  readonly position: number;
}

/** Of the link that the dialogue opened with. Whatever it throws leaves the dialogue as it was. */
export type PerformerAt = (at: StepId, link: string | null) => Performer;

/** One callback, and what its dialogue needs from outside. */
export interface Heard {
  readonly tenantId: string;
  readonly callback: UssdCallback;
  /** What followed the service code as it was dialled: see `dialledAfter`. */
  readonly dialled: readonly string[];
  /** Asked once, when the dialogue opens. */
  facts(): Promise<Facts>;
  readonly performerAt: PerformerAt;
  /** Told of the screen of each new callback before it is answered; a throw takes the step back. */
  tell(at: StepId, screen: Screen): Promise<void>;
}

export interface Conversed {
  /** over: forgotten, never opened, or another phone's. Else see `Located`. */
  readonly kind: "opened" | "next" | "repeat" | "stale" | "over";
  readonly screen: Screen;
}

export interface Conversation {
  /**
   * Answers a callback; those of one dialogue one after the other, whichever process gets them.
   * Throws: what `heard` does; VIG_REDIS_AWAY; VIG_USSD_BUSY.
   */
  hear(heard: Heard): Promise<Conversed>;
  /** Ends a dialogue whose caller is gone. Returns whether there was one. Throws: as `hear`. */
  end(over: DialogueId, performerAt: PerformerAt): Promise<boolean>;
}

export interface ConversationOptions {
  readonly store: DialogueStore;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly pause?: (ms: number) => Promise<unknown>;
  readonly every?: Every;
}

/** How long one callback waits for another one of its dialogue. Less than a gateway waits for us. */
const WAIT_MAX_MS = 5 * SECOND_MS;
const POLL_MS = 20;

export function openConversation(options: ConversationOptions): Conversation {
  const { store, keys, clock, pause = wait, every = everyReal } = options;

  /** Under the current key, unless there was one of this id under a key before it. */
  async function named(
    id: DialogueId,
  ): Promise<{ readonly under: HmacKey; readonly name: string }> {
    const [current, ...before] = dialogueKeys(keys);
    assert(current !== undefined, "there is a current key");
    for (const under of before) {
      const name = nameOf(under, id);
      if ((await store.read(name)) !== null) return { under, name };
    }
    return { under: current, name: nameOf(current, id) };
  }

  /** Throws: VIG_USSD_BUSY when another callback is still being answered at `giveUpAtMs`. */
  async function idle(name: string, giveUpAtMs: number): Promise<Kept | "over" | null> {
    for (;;) {
      const kept = await store.read(name);
      if (kept === null || kept === "over" || kept.busyUntilMs <= clock()) return kept;
      if (clock() >= giveUpAtMs) throw new VigError("VIG_USSD_BUSY");
      await pause(POLL_MS);
    }
  }

  /** Returns null when another callback was faster: nothing was done, or nothing of it is kept. */
  async function change(name: string, kept: Kept, work: () => Promise<Kept>): Promise<Kept | null> {
    const lease = await claim({ store, clock, every }, name, kept);
    if (lease === null) return null;
    try {
      const done = await work();
      const next = { ...done, version: await lease.end(), busyUntilMs: 0, answeredAtMs: clock() };
      return (await store.swap(name, next)) ? next : null;
    } catch (error) {
      // The gateway's next try finds it as it was; if this fails too, once the lease is over.
      const version = await lease.end();
      await store.swap(name, { ...kept, version, busyUntilMs: 0 }).catch(() => false);
      throw error;
    }
  }

  return {
    async hear(heard) {
      const heardAtMs = clock();
      const { under, name } = await named(heard.callback);
      const marks = marksOf(under, name, heard.tenantId, heard.callback);
      const giveUpAtMs = heardAtMs + WAIT_MAX_MS;
      for (;;) {
        const kept = (await idle(name, giveUpAtMs)) ?? unheard(marks);
        // Of another phone it is a dialogue that this one never opened.
        if (kept === "over" || kept.first !== marks.first) return OVER;
        const plan = planOf(kept, heard, marks, heardAtMs);
        if ("screen" in plan) return plan;
        const next = await change(name, kept, () => taken(kept, plan, { name, heard, marks }));
        if (next?.answered) return { kind: plan.kind, screen: next.answered.screen };
      }
    },
    async end(over, performerAt) {
      const { name } = await named(over);
      const giveUpAtMs = clock() + WAIT_MAX_MS;
      for (;;) {
        const kept = await idle(name, giveUpAtMs);
        if (kept === null || kept === "over" || !isLive(kept)) return false;
        const at = { dialogue: name, position: kept.steps };
        const { state } = kept.answered;
        const next = await change(name, kept, async () => ({
          ...kept,
          answered: await settle(hangUp(state), performerAt(at, state.link)),
        }));
        if (next !== null) return true;
      }
    },
  };
}

const OVER: Conversed = { kind: "over", screen: overScreen };

interface Plan {
  readonly kind: "opened" | "next";
  readonly steps: readonly string[];
  /** Whatever they are, no more are heard. */
  readonly isEnd: boolean;
}

/** Either the answer that there is already, or the steps to take for one. */
function planOf(
  kept: Kept,
  { callback, dialled }: Heard,
  marks: Marks,
  heardAtMs: number,
): Conversed | Plan {
  const located = locate(kept, callback.input, dialled, marks, heardAtMs);
  if (kept.answered === null) {
    return located.kind === "next" ? { ...located, kind: "opened", isEnd: false } : OVER;
  }
  if (isLive(kept) && located.kind === "next") return { ...located, isEnd: false };
  if (isLive(kept) && located.kind === "excess") return { kind: "next", steps: [], isEnd: true };
  const { screen } = kept.answered;
  return { kind: located.kind === "repeat" ? "repeat" : "stale", screen };
}

type Answered = Kept & { readonly answered: NonNullable<Kept["answered"]> };

const isLive = (kept: Kept): kept is Answered =>
  kept.answered !== null && kept.answered.state.place.at !== "ended";

/** The dialogue after `steps`, each of them performed. Steps after the end are not taken. */
async function taken(
  kept: Kept,
  { steps, isEnd }: Plan,
  { name, heard, marks }: { name: string; heard: Heard; marks: Marks },
): Promise<Kept> {
  let id: StepId = { dialogue: name, position: kept.steps };
  const settled = (next: Step, link: string | null) => settle(next, heard.performerAt(id, link));
  let at = kept.answered;
  if (at === null) {
    const facts = await heard.facts();
    at = await settled(open(facts), facts.link);
  }
  for (const typed of steps) {
    if (at.state.place.at === "ended") break;
    id = { dialogue: name, position: id.position + 1 };
    at = await settled(step(at.state, typed), at.state.link);
  }
  if (isEnd) {
    id = { dialogue: name, position: id.position + 1 };
    at = await settled(hangUp(at.state), at.state.link);
  }
  await heard.tell(id, at.screen);
  return {
    ...kept,
    steps: kept.steps + steps.length,
    mark: marks.after(kept.mark, steps),
    stepsBefore: kept.steps,
    markBefore: kept.mark,
    answered: at,
  };
}

/** A dialogue before its first callback. */
const unheard = ({ first }: Marks): Kept => ({
  version: 0,
  first,
  steps: 0,
  mark: first,
  stepsBefore: 0,
  markBefore: first,
  answered: null,
  answeredAtMs: 0,
  busyUntilMs: 0,
});
