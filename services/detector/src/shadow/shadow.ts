import { Reader, type Writer } from "@vigie/core/bytes";
import type { PolicyDocument } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import { type AnyRule, type EnrichedEvent, off, type Step } from "#rules/rule";
import type { Precision } from "#state/precision";
import type { OpenState, Part, PartCodec } from "#state/user-state";
import type { Trial } from "./trial.ts";

/**
 * What a candidate's rules know of a user where that is not what the live ones know: parts that were forked from the
 * live ones when the two were about to part, by the live parts' numbers.
 */
export interface Shadow {
  /** The trial's; 0: none. */
  readonly tag: number;
  readonly forks: readonly Fork[];
}

interface Fork {
  readonly part: number;
  readonly value: unknown;
}

/** Of parts 200 to 255, which are candidates'. */
const PART = 200;
const none: Shadow = { tag: 0, forks: [] };

// biome-ignore lint/suspicious/noExplicitAny: each part is its rules' own
type AnyCodec = PartCodec<any>;

/** All forked parts as one part of the state, so that one look tells whether there is a fork. */
export function shadowPart(rules: readonly AnyRule[]): Part<Shadow> {
  const codecs = new Map<number, AnyCodec>();
  for (const rule of rules) if (!codecs.has(rule.meta.part)) codecs.set(rule.meta.part, rule);
  const write = (writer: Writer, { tag, forks }: Shadow): void => {
    writer.u48(tag);
    for (const { part, value } of forks) {
      writer.room(3);
      writer.u8(part);
      const lengthAt = writer.at;
      writer.at += 2;
      codecs.get(part)?.write(writer, value);
      writer.u16At(lengthAt, writer.at - lengthAt - 2);
    }
  };
  const read = (reader: Reader): Shadow => {
    const tag = reader.u48();
    const forks: Fork[] = [];
    while (reader.at < reader.end) {
      const part = reader.u8();
      const length = reader.u16();
      const from = reader.skip(length);
      const codec = codecs.get(part);
      // A rule that is no longer there leaves its fork behind.
      if (codec === undefined) continue;
      forks.push({ part, value: codec.read(new Reader(reader.bytes, from, reader.at)) });
    }
    return { tag, forks };
  };
  const coarsened = ({ tag, forks }: Shadow, precision: Precision): Shadow => ({
    tag,
    forks: forks.map(({ part, value }) => {
      const coarse = codecs.get(part)?.coarsened;
      return { part, value: coarse === undefined ? value : coarse(value, precision) };
    }),
  });
  return { part: PART, codec: { initial: none, write, read, coarsened } };
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
    if (this.shadow.tag === trial.tag) return;
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
    const forked = this.forkOf(meta.part);
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
    // What the live rule just came to know is the same: there is nothing to part from.
    const isAlike = forked === undefined && meta.keepsAlike === true && live !== off;
    if (!isAlike) this.put(meta.part, forked, step.state);
    return step;
  }

  private forkOf(of: number): unknown {
    for (const { part, value } of this.shadow.forks) if (part === of) return value;
    return undefined;
  }

  private put(part: number, before: unknown, after: unknown): void {
    if (after === before) return;
    const others = this.shadow.forks.filter((fork) => fork.part !== part);
    this.shadow = { tag: this.trial.tag, forks: [...others, { part, value: after }] };
    this.state.put(this.slot, this.shadow);
  }
}

const nothing: Beside = { findings: [] };

/** Forgets what a candidate knew that is no more. */
export function dropShadow(state: OpenState, slot: number): void {
  if (state.has(slot)) state.drop(slot);
}
