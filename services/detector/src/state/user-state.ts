import { assert } from "@vigie/core/assert";
import type { StateCodec } from "@vigie/stream/codec";
import type { AnyRule } from "#rules/rule";
import { Reader, Writer } from "./bytes.ts";
import { SeenIds } from "./seen.ts";

/** One rule's part of a user's state: a value, or its bytes until the rule first asks. */
export class Part {
  private value: unknown;
  private readonly stored: Reader | null;

  constructor(value: unknown, stored: Reader | null) {
    this.value = value;
    this.stored = stored;
  }

  of(rule: AnyRule): unknown {
    if (this.value === undefined && this.stored !== null) {
      const { bytes, at, end } = this.stored;
      this.value = rule.read(new Reader(bytes, at, end));
    }
    return this.value;
  }

  /** The bytes of an untouched part are copied, not encoded again. */
  write(writer: Writer, rule: AnyRule): void {
    if (this.stored !== null) writer.copy(this.stored.bytes, this.stored.at, this.stored.end);
    else rule.write(writer, this.value);
  }
}

/** All that the detector knows of one user; parts are in the order of the codec's rules. */
export interface UserState {
  readonly seen: SeenIds;
  readonly parts: readonly (Part | null)[];
}

/** Version 1: seen ids; then per part its number, 16 bits of length, its bytes. */
const VERSION = 1;

/** Parts of rules that are no longer there are dropped; a rule new to a state starts from its initial one. */
export function userStateCodec(rules: readonly AnyRule[]): StateCodec<UserState> {
  const writer = new Writer();
  const slotOf = new Array<number>(256).fill(-1);
  rules.forEach((rule, slot) => {
    assert(slotOf[rule.meta.part] === -1, "rules have different parts");
    slotOf[rule.meta.part] = slot;
  });
  return {
    version: VERSION,
    encode({ seen, parts }) {
      writer.at = 0;
      seen.write(writer);
      for (let slot = 0; slot < rules.length; slot++) {
        const part = parts[slot];
        if (!part) continue;
        const rule = rules[slot] as AnyRule;
        writer.room(3);
        writer.u8(rule.meta.part);
        const lengthAt = writer.at;
        writer.at += 2;
        part.write(writer, rule);
        writer.u16At(lengthAt, writer.at - lengthAt - 2);
      }
      return writer.finish();
    },
    decode(bytes, version) {
      assert(version === VERSION, "a state's version is known");
      // A copy: the store may reuse its buffer, and parts are read from it later.
      const own = Buffer.allocUnsafe(bytes.length);
      own.set(bytes);
      const reader = new Reader(own, 0, own.length);
      const seen = SeenIds.read(reader);
      const parts = new Array<Part | null>(rules.length).fill(null);
      while (reader.at < reader.end) {
        const slot = slotOf[reader.u8()] as number;
        const length = reader.u16();
        const from = reader.skip(length);
        if (slot >= 0) parts[slot] = new Part(undefined, new Reader(own, from, reader.at));
      }
      return { seen, parts };
    },
  };
}
