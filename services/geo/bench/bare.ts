import fastify from "fastify";

/**
 * The baseline: a bare Fastify route that answers each body with the headers and the text that it is given for it.
 * It looks nothing up, validates nothing, counts nothing, limits nobody and logs nothing.
 * Input: JSON on standard input: pairs of body and answer.
 */
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const pairs = JSON.parse(Buffer.concat(chunks).toString()) as readonly (readonly [
  body: Readonly<Record<string, unknown>>,
  answer: readonly [headers: Readonly<Record<string, string>>, text: string],
])[];

/** A body by its members, in the order in which they are sent. */
const keyOf = (body: Readonly<Record<string, unknown>>): string =>
  `${body.phone}|${body.mcc}|${body.mnc}|${body.ip}`;

const answers = new Map(pairs.map(([body, answer]) => [keyOf(body), answer]));
const app = fastify();
app.post<{ Body: Readonly<Record<string, unknown>> }>("/v1/geo/detect", (request, reply) => {
  const [headers, text] = answers.get(keyOf(request.body)) ?? [{}, ""];
  reply.headers(headers).send(text);
});
const url = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${JSON.stringify({ event: "listening", url })}\n`);
process.once("SIGTERM", () => process.exit(0));
