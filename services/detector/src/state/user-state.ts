import { assert } from "@vigie/core/assert";
import type { StateCodec } from "@vigie/stream/codec";
import type { AnyRule } from "#rules/rule";
import { Reader, Writer } from "./bytes.ts";
import { SeenIds } from "./seen.ts";

/**
 * All that the detector knows of one user, as bytes: seen ids; then per part its number, 16 bits of length, its
 * bytes. It is kept as bytes between events, since a cache of many small objects costs more to collect than to
 * take apart again.
 */
export interface UserState {
  readonly bytes: Buffer;
}

/** A state taken apart: the rules' parts as values, where a rule has one. */
export interface OpenState {
  readonly seen: SeenIds;
  /** In the order of the rules; undefined: the rule has not met this user. */
  readonly parts: readonly unknown[];
}

const VERSION = 1;

export interface StateFormat extends StateCodec<UserState> {
  open(state: UserState): OpenState;
  seal(state: OpenState): UserState;
}

/** Parts of rules that are no longer there are dropped; a rule new to a state starts from its initial one. */
export function stateFormat(rules: readonly AnyRule[]): StateFormat {
  const writer = new Writer();
  const slotOf = new Array<number>(256).fill(-1);
  rules.forEach((rule, slot) => {
    assert(slotOf[rule.meta.part] === -1, "rules have different parts");
    slotOf[rule.meta.part] = slot;
  });
  return {
    version: VERSION,
    encode: ({ bytes }) => bytes,
    decode(bytes, version) {
      assert(version === VERSION, "a state's version is known");
      // A copy: the store may use its buffer again.
      const own = Buffer.allocUnsafe(bytes.length);
      own.set(bytes);
      return { bytes: own };
    },
    open({ bytes }) {
      const reader = new Reader(bytes, 0, bytes.length);
      const seen = SeenIds.read(reader);
      const parts = new Array<unknown>(rules.length).fill(undefined);
      while (reader.at < reader.end) {
        const slot = slotOf[reader.u8()] as number;
        const length = reader.u16();
        const from = reader.skip(length);
        if (slot >= 0) parts[slot] = rules[slot]?.read(new Reader(bytes, from, reader.at));
      }
      return { seen, parts };
    },
    seal({ seen, parts }) {
      writer.at = 0;
      seen.write(writer);
      rules.forEach((rule, slot) => {
        const part = parts[slot];
        if (part === undefined) return;
        writer.room(3);
        writer.u8(rule.meta.part);
        const lengthAt = writer.at;
        writer.at += 2;
        rule.write(writer, part);
        writer.u16At(lengthAt, writer.at - lengthAt - 2);
      });
      return { bytes: writer.finish() };
    },
  };
}
