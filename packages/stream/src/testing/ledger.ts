import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import type { Decoder, Encoder, StateCodec } from "../codec.ts";
import type { Effects, Input, InputRecord, ProcessContext, Processor } from "../processor.ts";

/** What the suites feed: a small processor that touches every part of the runtime. */
export interface LedgerEvent {
  readonly id: string;
  /** The user that the event is of; admit compares it with the key. */
  readonly user: string;
  readonly amount: number;
  readonly wakeAtMs?: number;
  readonly act?: "drop" | "refuse" | "throw" | "forget" | "quiet";
}

export interface LedgerState {
  readonly sum: number;
  readonly count: number;
  readonly wakeAtMs: number | null;
  /** The newest ids, oldest first: shows the order in which records were taken. */
  readonly ids: readonly string[];
}

export interface LedgerEntry {
  readonly id: string;
  readonly sum: number;
  readonly rate: number;
  /** Of the entries of its partition, from 1; an aggregate counts it. */
  readonly seq: number;
}

const IDS_MAX = 12;

export const jsonDecoder: Decoder<LedgerEvent> = {
  decode(bytes) {
    try {
      return ok(JSON.parse(Buffer.from(bytes).toString()) as LedgerEvent);
    } catch {
      return dlq("VIG_RECORD_NOT_AVRO", { why: "not JSON" });
    }
  },
};

export const jsonEncoder: Encoder<unknown> = {
  encode: (value) => Buffer.from(JSON.stringify(value)),
};

export const ledgerCodec: StateCodec<LedgerState> = {
  version: 1,
  encode: (state) => Buffer.from(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as LedgerState,
};

/** What a null value of t.orders stands for. */
const CLOSING: LedgerEvent = { id: "closing", user: "", amount: 0, act: "forget" };

const admitOwn = ({ key, value }: InputRecord<LedgerEvent>): Outcome<LedgerEvent> =>
  key === value.user ? ok(value) : dlq("VIG_RECORD_KEY_MISMATCH");

const input = (
  topic: string,
  order: Input<LedgerEvent>["order"],
  more: Partial<Input<LedgerEvent>> = {},
): Input<LedgerEvent> => ({
  topic,
  order,
  decoder: jsonDecoder,
  misplaced: "republish",
  admit: admitOwn,
  ...more,
});

function process(
  record: InputRecord<LedgerEvent>,
  state: LedgerState | null,
  context: ProcessContext,
): Outcome<Effects<LedgerState, "entries">> {
  const { act, amount, id, wakeAtMs } = record.value;
  if (act === "drop") return drop("no_effect");
  if (act === "refuse") return dlq("VIG_EVENT_FIELD_INVALID", { path: "amount", why: "refused" });
  if (act === "throw") throw new Error("planted");
  if (act === "quiet") return ok({ state, emit: [] });
  const rate = context.lookup<{ rate: number }>("rates", "all")?.rate ?? 1;
  const sum = (state?.sum ?? 0) + amount * rate;
  const seq = nextSeq(context);
  const aggregates = counted(seq);
  const emit = [{ output: "entries" as const, key: record.key, value: { id, sum, rate, seq } }];
  if (act === "forget") return ok({ state: null, emit, aggregates });
  const ids = [...(state?.ids ?? []), id].slice(-IDS_MAX);
  const next = { sum, count: (state?.count ?? 0) + 1, wakeAtMs: wakeAtMs ?? null, ids };
  return ok({ state: next, emit, aggregates });
}

/** The aggregate: how many entries its partition has written. */
const ENTRIES = "entries";
interface EntryCount {
  readonly count: number;
}
const nextSeq = (context: ProcessContext): number =>
  (context.aggregate<EntryCount>(ENTRIES)?.count ?? 0) + 1;
const counted = (count: number) => [{ key: ENTRIES, value: { count } satisfies EntryCount }];

/** Adds up amounts a user over two merged inputs and an urgent one; a woken user's sum falls back to 0. */
export function ledgerProcessor(name = "ledger"): Processor<LedgerState, LedgerEvent, "entries"> {
  return {
    name,
    inputs: [
      input("t.deposits", "merged"),
      input("t.payments", "merged", { misplaced: "drop" }),
      input("t.orders", "urgent", {
        tombstone: CLOSING,
        admit: (record) => (record.value === CLOSING ? ok(CLOSING) : admitOwn(record)),
      }),
      input("t.extras", "merged", { optional: true }),
    ],
    outputs: { entries: { topic: "t.entries", encoder: jsonEncoder } },
    globals: {
      rates: { topic: "t.rates", optional: true, decoder: jsonDecoder as Decoder<unknown> },
      // Its keys are what the names of those begin with whose sums fall to 0.
      amnesties: {
        topic: "t.amnesties",
        optional: true,
        decoder: jsonDecoder as Decoder<unknown>,
        wakes: (prefix) => prefix,
      },
    },
    state: ledgerCodec,
    aggregate: ledgerCodec,
    process,
    wakeAtMs: (state) => state.wakeAtMs,
    wake: (key, state, context) => {
      const seq = nextSeq(context);
      return {
        state: { ...state, sum: 0, wakeAtMs: null },
        emit: [{ output: "entries", key, value: { id: "woken", sum: 0, rate: 0, seq } }],
        aggregates: counted(seq),
      };
    },
  };
}
