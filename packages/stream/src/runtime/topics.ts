import { VigError } from "@vigie/core/errors";
import { DAY_MS } from "@vigie/core/time";
import type { TopicSpec } from "../kafka/admin.ts";
import type { AnyProcessor } from "../processor.ts";
import { deadLetterTopic } from "../task/dead-letter.ts";
import type { Backend } from "./backend.ts";
import type { Names } from "./names.ts";

/** The topics of a processor as they are. */
export interface Topics {
  /** Of every topic that exists, by catalogue name. */
  readonly partitionsOf: (topic: string) => number;
  /** Optional inputs that do not exist, by catalogue name. */
  readonly absent: ReadonlySet<string>;
  /** Of each input; also the number of tasks. */
  readonly partitions: number;
  /** Global tables by name; a missing optional one is left out. */
  readonly globals: ReadonlyMap<string, { readonly topic: string; readonly partitions: number }>;
}

/** The largest record of an input (max.message.bytes, 1 MiB by default) fits a dead letter with its headers. */
const DEAD_LETTER_BYTES_MAX = 2 * 1024 * 1024;
/** Source: DESIGN, topics: dead letters are kept for 7 days; compacted topics are compacted within 24 h. */
const DEAD_LETTERS_KEPT_MS = 7 * DAY_MS;

/** What the runtime writes for itself: the changelog and the inputs' dead letters. */
export function internalTopics(
  processor: AnyProcessor,
  names: Names,
  partitionsOf: (physical: string) => number | undefined,
): TopicSpec[] {
  const present = processor.inputs.filter(
    ({ topic }) => partitionsOf(names.physical(topic)) !== undefined,
  );
  const letters = present.map(({ topic }) => ({
    topic: names.physical(deadLetterTopic(topic)),
    partitions: partitionsOf(names.physical(topic)) as number,
    configs: {
      "retention.ms": String(DEAD_LETTERS_KEPT_MS),
      "max.message.bytes": String(DEAD_LETTER_BYTES_MAX),
    },
  }));
  const changelog = {
    topic: names.changelog,
    partitions: partitionsOf(names.physical(present[0]?.topic ?? "")) ?? 1,
    configs: {
      "cleanup.policy": "compact",
      "max.compaction.lag.ms": String(DAY_MS),
      "segment.ms": String(DAY_MS),
    },
  };
  return [changelog, ...letters];
}

/**
 * Looks at all topics of a processor, and creates the internal ones that are missing if it may.
 * Throws: VIG_TOPIC_MISSING, VIG_PARTITIONS_DIFFER, VIG_BROKER_AWAY.
 */
export async function resolveTopics(
  backend: Backend,
  processor: AnyProcessor,
  names: Names,
  createInternalTopics: boolean,
): Promise<Topics> {
  const catalogue = [
    ...processor.inputs.map(({ topic }) => topic),
    ...processor.inputs.map(({ topic }) => deadLetterTopic(topic)),
    ...Object.values(processor.outputs).map(({ topic }) => topic),
    ...Object.values(processor.globals).map(({ topic }) => topic),
  ];
  const physical = [...new Set([...catalogue.map(names.physical), names.changelog])];
  const counts = new Map(await backend.admin.partitionCounts(physical));
  const createMissing = async (specs: readonly TopicSpec[]): Promise<void> => {
    const missing = specs.filter(({ topic }) => !counts.has(topic));
    if (!createInternalTopics || missing.length === 0) return;
    await backend.admin.createTopics(missing);
    for (const spec of missing) counts.set(spec.topic, spec.partitions);
  };
  // Before the others: inputs may be among them.
  const { internals = [] } = processor;
  await createMissing(internals.map((spec) => ({ ...spec, topic: names.physical(spec.topic) })));
  const partitions = inputPartitions(processor, names, counts);
  await createMissing(internalTopics(processor, names, (topic) => counts.get(topic)));
  const absent = new Set(
    processor.inputs
      .map(({ topic }) => topic)
      .filter((topic) => !counts.has(names.physical(topic))),
  );
  requireTopics(processor, names, { counts, partitions, absent });
  const partitionsOf = (topic: string): number => {
    const count = counts.get(names.physical(topic));
    if (count === undefined) throw new VigError("VIG_TOPIC_MISSING", { topic });
    return count;
  };
  return { partitionsOf, absent, partitions, globals: globalsOf(processor, names, counts) };
}

/** The partition count that all inputs share. */
function inputPartitions(
  processor: AnyProcessor,
  names: Names,
  counts: ReadonlyMap<string, number>,
): number {
  const found: [string, number][] = [];
  for (const { topic, optional } of processor.inputs) {
    const count = counts.get(names.physical(topic));
    if (count !== undefined) found.push([topic, count]);
    else if (optional !== true)
      throw new VigError("VIG_TOPIC_MISSING", { topic: names.physical(topic) });
  }
  const partitions = found[0]?.[1];
  if (partitions === undefined) {
    throw new VigError("VIG_TOPIC_MISSING", { topic: `any input of ${processor.name}` });
  }
  if (found.some(([, count]) => count !== partitions)) {
    const text = found.map(([topic, count]) => `${topic} ${count}`).join(", ");
    throw new VigError("VIG_PARTITIONS_DIFFER", { processor: processor.name, counts: text });
  }
  return partitions;
}

interface Found {
  readonly counts: ReadonlyMap<string, number>;
  readonly partitions: number;
  readonly absent: ReadonlySet<string>;
}

function requireTopics(processor: AnyProcessor, names: Names, found: Found): void {
  const { absent, counts, partitions } = found;
  const needed = [
    ...Object.values(processor.outputs)
      .filter(({ from }) => from === undefined || !absent.has(from))
      .map(({ topic }) => names.physical(topic)),
    ...processor.inputs
      .filter(({ topic }) => !absent.has(topic))
      .map(({ topic }) => names.physical(deadLetterTopic(topic))),
    names.changelog,
  ];
  for (const topic of needed)
    if (!counts.has(topic)) throw new VigError("VIG_TOPIC_MISSING", { topic });
  const changelog = counts.get(names.changelog);
  if (changelog !== partitions) {
    const text = `inputs ${partitions}, ${names.changelog} ${changelog}`;
    throw new VigError("VIG_PARTITIONS_DIFFER", { processor: processor.name, counts: text });
  }
}

function globalsOf(
  processor: AnyProcessor,
  names: Names,
  counts: ReadonlyMap<string, number>,
): Topics["globals"] {
  const globals = new Map<string, { topic: string; partitions: number }>();
  for (const [name, table] of Object.entries(processor.globals)) {
    const topic = names.physical(table.topic);
    const partitions = counts.get(topic);
    if (partitions !== undefined) globals.set(name, { topic, partitions });
    else if (table.optional !== true) throw new VigError("VIG_TOPIC_MISSING", { topic });
  }
  return globals;
}
