import { assert } from "@vigie/core/assert";
import { Reader, Writer } from "@vigie/core/bytes";
import type { StateCodec } from "@vigie/stream/codec";
import { readId, writeId } from "#state/id";
import {
  type AddressTries,
  type Alert,
  type Failure,
  nothingKnown,
  type Success,
} from "./credential-spray.ts";
import { readHash, writeHash } from "./try.ts";

/** All that is kept of one address. */
export interface AddressState {
  readonly tries: AddressTries;
  /** Until when the detector is asked to tell of successes from here; 0: it is not. */
  readonly watchedUntilMs: number;
}

export const unknownAddress: AddressState = { tries: nothingKnown, watchedUntilMs: 0 };

const VERSION = 1;

/** Times as differences from one to the next, ids and hashes as bytes: some 30 bytes a failure (53 at most), 14 a success. */
export function addressStateCodec(): StateCodec<AddressState> {
  const writer = new Writer();
  return {
    version: VERSION,
    encode({ tries, watchedUntilMs }) {
      writer.at = 0;
      writer.varint(watchedUntilMs);
      writeAll(writer, tries.failures, ({ user, eventId }) => {
        writeHash(writer, user);
        writeId(writer, eventId);
      });
      writeAll(writer, tries.successes, ({ user, namedForMs }) => {
        writeHash(writer, user);
        writer.varint(namedForMs);
      });
      writeAll(writer, tries.alerts, ({ fromMs, firstId, users }) => {
        writer.varint(fromMs);
        writeId(writer, firstId);
        writer.varint(users);
      });
      return writer.finish();
    },
    decode(bytes, version) {
      assert(version === VERSION, "a state's version is known");
      // A copy: the store may use its buffer again.
      const own = Buffer.from(bytes);
      const reader = new Reader(own, 0, own.length);
      const watchedUntilMs = reader.varint();
      const failures = readAll(
        reader,
        (times): Failure => ({ ...times, user: readHash(reader), eventId: readId(reader) }),
      );
      const successes = readAll(
        reader,
        (times): Success => ({ ...times, user: readHash(reader), namedForMs: reader.varint() }),
      );
      const alerts = readAll(
        reader,
        (times): Alert => ({
          ...times,
          fromMs: reader.varint(),
          firstId: readId(reader),
          users: reader.varint(),
        }),
      );
      return { tries: { failures, successes, alerts }, watchedUntilMs };
    },
  };
}

interface Times {
  readonly atMs: number;
  readonly forgetMin: number;
}

function writeAll<T extends Times>(
  writer: Writer,
  list: readonly T[],
  write: (each: T) => void,
): void {
  writer.varint(list.length);
  let last: Times = { atMs: 0, forgetMin: 0 };
  for (const each of list) {
    writer.signed(each.atMs - last.atMs);
    writer.signed(each.forgetMin - last.forgetMin);
    write(each);
    last = each;
  }
}

function readAll<T>(reader: Reader, read: (times: Times) => T): T[] {
  const length = reader.varint();
  const list: T[] = [];
  let atMs = 0;
  let forgetMin = 0;
  for (let i = 0; i < length; i++) {
    atMs += reader.signed();
    forgetMin += reader.signed();
    list.push(read({ atMs, forgetMin }));
  }
  return list;
}
