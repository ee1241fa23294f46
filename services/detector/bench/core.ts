import { parseArgs } from "node:util";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { geoPaths, openShared, readGeoFiles } from "@vigie/geoip/files";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { createDetector } from "../src/app.ts";
import type { UserState } from "../src/state/user-state.ts";
import { type BenchRecord, workload } from "./workload.ts";

/**
 * Times the detector's own work on one core, without a broker and a store: decode, admit, state in, rules, state out.
 * Run: node bench/core.ts [--events 200000] [--users 20000] [--seed 1] [--passes 3]; with --cpu-prof for a profile.
 */
const { values: args } = parseArgs({
  options: {
    events: { type: "string", default: "200000" },
    users: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    passes: { type: "string", default: "3" },
  },
});
/** As many as a commit covers. */
const BATCH = 1_000;

const codecs = memoryCodecs();
const files = await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }));
const geoip = new GeoIpDatabases(openShared(files));
const records = workload(codecs, {
  events: Number(args.events),
  users: Number(args.users),
  seed: Number(args.seed),
});

type Phase = "decode" | "admit" | "load" | "rules" | "store";

/** One pass over all records from an empty store. Returns: microseconds an event by phase. */
function pass() {
  const detector = createDetector({
    codecs,
    geoip,
    log: silentLogger,
    maxEventAgeMs: 30 * DAY_MS,
    maxAheadMs: 5 * MINUTE_MS,
  });
  const inputs = new Map(detector.inputs.map((input) => [input.topic, input]));
  const inputOf = (record: BenchRecord) => inputs.get(record.topic) ?? detector.inputs[0];
  const store = new Map<string, Uint8Array>();
  const context = {
    nowMs: 0,
    partition: 0,
    lookup: () => undefined,
    hasMark: () => false,
    aggregate: () => null,
  };
  const spentMs: Record<Phase, number> = { decode: 0, admit: 0, load: 0, rules: 0, store: 0 };
  let anomalies = 0;
  let stateBytes = 0;
  for (let from = 0; from < records.length; from += BATCH) {
    const batch = records.slice(from, from + BATCH);
    let lastMs = performance.now();
    const spent = (phase: Phase): void => {
      const nowMs = performance.now();
      spentMs[phase] += nowMs - lastMs;
      lastMs = nowMs;
    };
    const decoded = batch.map((record) => inputOf(record)?.decoder.decode(record.value));
    spent("decode");
    const admitted = batch.flatMap((record, i) => {
      const outcome = decoded[i];
      if (outcome?.kind !== "ok") return [];
      const input = { ...record, partition: 0, offset: from + i, value: outcome.value };
      return inputOf(record)?.admit(input).kind === "ok" ? [input] : [];
    });
    spent("admit");
    const states = new Map<string, UserState | null>();
    for (const { key } of admitted) {
      const bytes = store.get(key);
      states.set(key, bytes === undefined ? null : detector.state.decode(bytes, 1));
    }
    spent("load");
    for (const record of admitted) {
      const outcome = detector.process(record, states.get(record.key) ?? null, context);
      if (outcome.kind !== "ok") continue;
      anomalies += outcome.value.emit.length;
      states.set(record.key, outcome.value.state);
    }
    spent("rules");
    for (const [key, state] of states) {
      if (state === null) continue;
      const bytes = detector.state.encode(state);
      stateBytes += bytes.length;
      store.set(key, bytes);
    }
    spent("store");
  }
  const micros = Object.fromEntries(
    Object.entries(spentMs).map(([phase, ms]) => [phase, round((ms * 1_000) / records.length)]),
  );
  const own = spentMs.load + spentMs.rules + spentMs.store;
  return {
    ...micros,
    own: round((own * 1_000) / records.length),
    anomalies,
    stateBytes: Math.round(stateBytes / records.length),
  };
}

const round = (value: number): number => Math.round(value * 100) / 100;

const valueBytes = records.reduce((sum, { value }) => sum + value.length, 0) / records.length;
console.log(`${records.length} events, ${valueBytes.toFixed(0)} bytes a value; µs an event:`);
console.table(Array.from({ length: Number(args.passes) }, pass));
