import { parseArgs } from "node:util";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { geoPaths, openShared, readGeoFiles } from "@vigie/geoip/files";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { InputRecord } from "@vigie/stream/processor";
import { createDetector, type DetectorInput } from "../src/app.ts";
import { rules } from "../src/rules/index.ts";
import type { AnyRule } from "../src/rules/rule.ts";
import type { UserState } from "../src/state/user-state.ts";
import { workload } from "./workload.ts";

/**
 * What each rule costs: the processor's work on decoded events, without decoding and without a store; with no rule,
 * with each alone, with all, and with all but each. CPU time of the fastest of the passes, which take turns, so that a
 * busy machine disturbs all alike; and the bytes that each adds to a user's state.
 * Run: node bench/rules.ts [--events 60000] [--users 6000] [--passes 7] [--only RULE]
 */
const { values: args } = parseArgs({
  options: {
    events: { type: "string", default: "60000" },
    users: { type: "string", default: "6000" },
    passes: { type: "string", default: "7" },
    only: { type: "string" },
  },
});

const codecs = memoryCodecs();
const files = await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }));
const geoip = new GeoIpDatabases(openShared(files));
const records = workload(codecs, {
  events: Number(args.events),
  users: Number(args.users),
  seed: 1,
});

const detectorOf = (some: readonly AnyRule[]) =>
  createDetector({
    codecs,
    geoip,
    log: silentLogger,
    maxEventAgeMs: 30 * DAY_MS,
    maxAheadMs: 5 * MINUTE_MS,
    rules: some,
  });

function decodedRecords(): readonly InputRecord<DetectorInput>[] {
  const inputs = new Map(detectorOf(rules).inputs.map((input) => [input.topic, input.decoder]));
  return records.flatMap((record, offset) => {
    const outcome = inputs.get(record.topic)?.decode(record.value);
    return outcome?.kind === "ok"
      ? [{ ...record, partition: 0, offset, value: outcome.value }]
      : [];
  });
}
const decoded = decodedRecords();

interface Pass {
  readonly micros: number;
  /** Of all users together, at the end. */
  readonly stateBytes: number;
}

function pass(some: readonly AnyRule[]): Pass {
  const detector = detectorOf(some);
  const states = new Map<string, UserState | null>();
  const aggregates = new Map<string, unknown>();
  const context = {
    nowMs: 0,
    partition: 0,
    lookup: () => undefined,
    hasMark: () => false,
    aggregate: <A>(key: string) => (aggregates.get(key) ?? null) as A | null,
  };
  const before = process.cpuUsage();
  for (const record of decoded) {
    const outcome = detector.process(record, states.get(record.key) ?? null, context);
    if (outcome.kind !== "ok") continue;
    states.set(record.key, outcome.value.state);
    for (const { key, value } of outcome.value.aggregates ?? []) aggregates.set(key, value);
  }
  const { user, system } = process.cpuUsage(before);
  let stateBytes = 0;
  for (const state of states.values()) stateBytes += state?.bytes.length ?? 0;
  return { micros: (user + system) / decoded.length, stateBytes };
}

const without = (rule: AnyRule): readonly AnyRule[] => rules.filter((other) => other !== rule);
const chosen = rules.filter(({ meta }) => args.only === undefined || meta.name === args.only);
const settings = new Map<string, readonly AnyRule[]>([
  ["none", []],
  ["all", rules],
  ...chosen.map((rule) => [`alone ${rule.meta.name}`, [rule]] as const),
  ...chosen.map((rule) => [`without ${rule.meta.name}`, without(rule)] as const),
]);
const best = new Map<string, Pass>();
for (let i = 0; i < Number(args.passes); i++) {
  for (const [name, some] of settings) {
    const now = pass(some);
    const known = best.get(name);
    if (known === undefined || now.micros < known.micros) best.set(name, now);
  }
}

const bestOf = (name: string): Pass => best.get(name) as Pass;
const users = new Set(decoded.map(({ key }) => key)).size;
const over = (one: Pass, other: Pass) => ({
  micros: (one.micros - other.micros).toFixed(2),
  bytes: Math.round((one.stateBytes - other.stateBytes) / users),
});
const nothing: Pass = { micros: 0, stateBytes: 0 };
console.log(`${decoded.length} events of ${users} users; µs of CPU an event, bytes a user`);
console.table({ none: over(bestOf("none"), nothing), all: over(bestOf("all"), nothing) });
console.table(
  Object.fromEntries(
    chosen.map(({ meta: { name } }) => {
      const alone = over(bestOf(`alone ${name}`), bestOf("none"));
      const beside = over(bestOf("all"), bestOf(`without ${name}`));
      const shown = {
        alone: alone.micros,
        "beside all others": beside.micros,
        bytes: beside.bytes,
      };
      return [name, shown];
    }),
  ),
);
