import { readFileSync } from "node:fs";
import { messageOf, VigError } from "@vigie/core/errors";

interface Line {
  readonly anomaly_id?: unknown;
  readonly label?: unknown;
}

const isTrueOf: Readonly<Record<string, boolean>> = {
  TRUE_POSITIVE: true,
  FALSE_POSITIVE: false,
  true_positive: true,
  false_positive: false,
};

/**
 * Labels of a file: a JSON array, or a JSON object a line, each with anomaly_id and label as the API and the topic
 * have them; of one alarm the last one counts. Throws: VIG_ARGUMENT_INVALID.
 */
export function readLabels(path: string): ReadonlyMap<string, boolean> {
  const labels = new Map<string, boolean>();
  for (const { anomaly_id: id, label } of linesOf(path)) {
    const isTrue = isTrueOf[String(label)];
    if (typeof id !== "string" || isTrue === undefined) {
      throw invalid(`${path} has an entry without anomaly_id, or whose label is ${String(label)}`);
    }
    labels.set(id, isTrue);
  }
  return labels;
}

function linesOf(path: string): readonly Line[] {
  try {
    const text = readFileSync(path, "utf8").trim();
    if (text.startsWith("[")) return JSON.parse(text) as Line[];
    return text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => JSON.parse(line) as Line);
  } catch (cause) {
    throw invalid(messageOf(cause), cause);
  }
}

const invalid = (why: string, cause?: unknown): VigError =>
  new VigError("VIG_ARGUMENT_INVALID", { name: "--labels", why }, { cause });
