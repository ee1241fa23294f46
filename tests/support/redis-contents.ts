import type { Pipeline } from "./pipeline.ts";

/** One key of an installation with all that it holds. */
export interface RedisContent {
  readonly key: string;
  readonly content: readonly string[];
  /** Until it is gone by itself; negative: never. */
  readonly leftMs: number;
}

const READ: Readonly<Record<string, readonly string[]>> = {
  hash: ["HGETALL"],
  zset: ["ZRANGE", "0", "-1"],
  string: ["GET"],
  set: ["SMEMBERS"],
  list: ["LRANGE", "0", "-1"],
};

/** Every key of this installation. */
export async function redisContents({ redis, prefix }: Pipeline): Promise<readonly RedisContent[]> {
  const keys = new Set<string>();
  let cursor = "0";
  do {
    const page = await redis.command("SCAN", cursor, "MATCH", `*${prefix}*`, "COUNT", 1_000);
    const [next, found] = page as [string, string[]];
    for (const key of found) keys.add(key);
    cursor = next;
  } while (cursor !== "0");
  const contents: RedisContent[] = [];
  for (const key of keys) {
    const [name = "", ...rest] = READ[String(await redis.command("TYPE", key))] ?? [];
    // Gone by itself since.
    if (name === "") continue;
    const answer = await redis.command(name, key, ...rest);
    const content = (Array.isArray(answer) ? answer : [answer]).map(String);
    contents.push({ key, content, leftMs: Number(await redis.command("PTTL", key)) });
  }
  return contents;
}
