import { hash64 } from "@vigie/core/bytes";
import type { PartCodec } from "./user-state.ts";

/** What a user's findings were told of, as 32-bit hashes, oldest first: so that a session's next events are quiet. */
export type Told = readonly number[];

/** More sessions at a time than people have; beyond it the oldest is forgotten, and told of again. */
const TOLD_MAX = 8;

const hashOf = (what: string): number => hash64(what)[1];

export const wasTold = (told: Told, what: string): boolean => told.includes(hashOf(what));

export const withTold = (told: Told, what: string): Told =>
  [...told, hashOf(what)].slice(-TOLD_MAX);

export const toldCodec: PartCodec<Told> = {
  initial: [],
  write(writer, told) {
    for (const hash of told) writer.u32(hash);
  },
  read(reader) {
    const told: number[] = [];
    while (reader.at < reader.end) told.push(reader.u32());
    return told;
  },
};
