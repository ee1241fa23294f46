import type { PolicyDocument } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import type { AnyRule, EnrichedEvent, Step } from "#rules/rule";
import { Reader, type Writer } from "#state/bytes";
import type { OpenState, Part, PartCodec } from "#state/user-state";
import type { Trial } from "./trial.ts";

/**
 * What a candidate's rules know of a user where that is not what the live ones know: parts that were forked from the
 * live ones when the two were about to part, by the live parts' numbers.
 */
export interface Shadow {
  /** The trial's; "": none. */
  readonly name: string;
  readonly parts: ReadonlyMap<number, unknown>;
}

/** Of parts 200 to 255, which are candidates'. */
const PART = 200;
const none: Shadow = { name: "", parts: new Map() };

// biome-ignore lint/suspicious/noExplicitAny: each part is its rules' own
type AnyCodec = PartCodec<any>;

/** All forked parts as one part of the state, so that one look tells whether there is a fork. */
export function shadowPart(rules: readonly AnyRule[]): Part<Shadow> {
  const codecs = new Map<number, AnyCodec>();
  for (const rule of rules) if (!codecs.has(rule.meta.part)) codecs.set(rule.meta.part, rule);
  const write = (writer: Writer, { name, parts }: Shadow): void => {
    writer.text(name);
    for (const [part, value] of parts) {
      writer.room(3);
      writer.u8(part);
      const lengthAt = writer.at;
      writer.at += 2;
      codecs.get(part)?.write(writer, value);
      writer.u16At(lengthAt, writer.at - lengthAt - 2);
    }
  };
  const read = (reader: Reader): Shadow => {
    const name = reader.text();
    const parts = new Map<number, unknown>();
    while (reader.at < reader.end) {
      const part = reader.u8();
      const length = reader.u16();
      const from = reader.skip(length);
      const codec = codecs.get(part);
      // A rule that is no longer there leaves its fork behind.
      if (codec !== undefined)
        parts.set(part, codec.read(new Reader(reader.bytes, from, reader.at)));
    }
    return { name, parts };
  };
  return { part: PART, codec: { initial: none, write, read } };
}

/** What a candidate brings about where it is not just what the policy in force does. */
export type Beside = Pick<Step<unknown>, "findings" | "counted">;

/** One event of a user under a candidate. */
export class ShadowSteps {
  private readonly trial: Trial;
  private readonly event: EnrichedEvent;
  private readonly slot: number;
  private readonly state: OpenState;
  private shadow: Shadow;

  constructor(trial: Trial, event: EnrichedEvent, state: OpenState, slot: number) {
    this.trial = trial;
    this.event = event;
    this.state = state;
    this.slot = slot;
    this.shadow = state.get<Shadow>(slot);
    if (this.shadow.name === trial.name) return;
    // What another candidate left is not this one's.
    dropShadow(state, slot);
    this.shadow = none;
  }

  /**
   * The rule's step under the candidate, after the live one. `before`: the live part before that; `live`: what
   * that brought about. Null: the candidate finds what the live rule finds, and tells it alike.
   */
  step(rule: AnyRule, before: unknown, live: Step<unknown>): Beside | null {
    const { trial, event } = this;
    const { meta } = rule;
    const forked = this.shadow.parts.get(meta.part);
    if (forked === undefined && !trial.stepsOtherwise(meta, event)) {
      if (live.findings.length === 0) return null;
      return trial.tellsOtherwise(meta, event) ? live : null;
    }
    const own = forked ?? before;
    const document: PolicyDocument = trial.policy.document;
    if (modeFor(document.rules[meta.name], meta.name, event, meta.mode) === "OFF") {
      this.put(meta.part, forked, own);
      return nothing;
    }
    const step = rule.step(own, event, document);
    this.put(meta.part, forked, step.state);
    return step;
  }

  private put(part: number, before: unknown, after: unknown): void {
    if (after === before) return;
    const parts = new Map(this.shadow.parts).set(part, after);
    this.shadow = { name: this.trial.name, parts };
    this.state.put(this.slot, this.shadow);
  }
}

const nothing: Beside = { findings: [] };

/** Forgets what a candidate knew that is no more. */
export function dropShadow(state: OpenState, slot: number): void {
  if (state.has(slot)) state.drop(slot);
}
