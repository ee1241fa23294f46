import fastify from "fastify";
import { expect, test } from "vitest";
import { handleTogether } from "./together.ts";

function appThatTells() {
  const told: string[] = [];
  const app = fastify();
  app.addHook("preValidation", ({ url }, _reply, done) => {
    told.push(`read ${url}`);
    done();
  });
  handleTogether(app);
  app.get("/fails", () => {
    told.push("handled /fails");
    throw new Error("on purpose");
  });
  app.get("/works", (_request, reply) => {
    told.push("handled /works");
    reply.send({});
  });
  app.get("/begins", async () => {
    told.push("handled /begins");
    await null;
    told.push("begun /begins");
    return {};
  });
  return { app, told };
}

test("calls of one turn are all read before the first is handled, and handled in their order", async () => {
  const { app, told } = appThatTells();
  await app.ready();
  await Promise.all([app.inject("/works"), app.inject("/fails"), app.inject("/works")]);
  expect(told).toEqual([
    ...["read /works", "read /fails", "read /works"],
    ...["handled /works", "handled /fails", "handled /works"],
  ]);
});

test("what one begins is begun before the next one is handled", async () => {
  const { app, told } = appThatTells();
  await app.ready();
  await Promise.all([app.inject("/begins"), app.inject("/works")]);
  expect(told.slice(2)).toEqual(["handled /begins", "begun /begins", "handled /works"]);
});

test("one that fails holds up none of those that came with it, and calls after it are handled", async () => {
  const { app } = appThatTells();
  await app.ready();
  const together = await Promise.all([app.inject("/fails"), app.inject("/works")]);
  const after = await app.inject("/works");
  expect([...together, after].map(({ statusCode }) => statusCode)).toEqual([500, 200, 200]);
});
