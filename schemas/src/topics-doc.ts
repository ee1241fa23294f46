import { DAY_MS } from "@vigie/core/time";
import { changelogs, internals, type TopicSpec, topics } from "./catalogue.ts";

/** The table of docs/topics.md, from the catalogue. */
export function topicTable(): string {
  const all = Object.entries({ ...topics, ...internals, ...changelogs });
  const rows = all.map(([name, spec]) => row(name, spec));
  const head = ["topic", "key", "partitions", "kept", "written by", "read by"];
  return [line(head), line(head.map(() => "---")), ...rows].join("\n");
}

function row(name: string, spec: TopicSpec): string {
  const kept =
    spec.keep === "compacted" ? compacted(spec) : `${spec.keep.retentionMs / DAY_MS} days`;
  const key = spec.key.replaceAll("|", "\\|");
  const lists = [spec.writtenBy.join(", "), spec.readBy.join(", ")];
  return line([`\`${name}\``, key, String(spec.partitions), kept, ...lists]);
}

const compacted = ({ keepAllMs = 0 }: TopicSpec): string =>
  keepAllMs === 0 ? "compacted" : `compacted after ${keepAllMs / DAY_MS} days`;

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
