import { silentLogger } from "@vigie/core/log";
import { openRedis } from "@vigie/service-kit/redis/redis";
import fastify from "fastify";

/**
 * The baseline: a bare Fastify route that answers with what one GET of Redis gives. No token, no validation, no
 * schema, no headers, no log, no metrics.
 * Input: JSON on standard input: url of Redis, prefix.
 */
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const { redisUrl, prefix } = JSON.parse(Buffer.concat(chunks).toString()) as {
  readonly redisUrl: string;
  readonly prefix: string;
};
const redis = openRedis({ url: redisUrl, prefix, connectionName: "bare", log: silentLogger });
const app = fastify();
app.get<{ Params: { readonly name: string } }>("/bare/:name", async (request) => ({
  value: await redis.command("GET", redis.key(request.params.name)),
}));
const url = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${JSON.stringify({ event: "listening", url })}\n`);
process.once("SIGTERM", () => process.exit(0));
