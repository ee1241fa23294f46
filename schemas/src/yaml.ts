/** What a YAML document of ours may hold. */
export type Yaml = string | number | boolean | readonly Yaml[] | YamlMap;
export interface YamlMap {
  readonly [name: string]: Yaml;
}

const PLAIN_KEY = /^[A-Za-z$][\w$.-]*$/;

/** A document in block style. Texts are quoted as in JSON, of which YAML 1.2 is a superset. */
export const yamlOf = (document: YamlMap): string => `${linesOf(document).join("\n")}\n`;

function linesOf(value: YamlMap): string[] {
  return Object.entries(value).flatMap(([name, part]) =>
    placed(`${PLAIN_KEY.test(name) ? name : JSON.stringify(name)}:`, part),
  );
}

/** A value behind its key or dash: on the same line, or indented below it. */
function placed(head: string, value: Yaml): string[] {
  if (typeof value !== "object") return [`${head} ${JSON.stringify(value)}`];
  const lines = isList(value) ? value.flatMap((item) => placed("-", item)) : linesOf(value);
  if (lines.length === 0) return [`${head} ${isList(value) ? "[]" : "{}"}`];
  return [head, ...lines.map((line) => `  ${line}`)];
}

const isList = (value: readonly Yaml[] | YamlMap): value is readonly Yaml[] => Array.isArray(value);
