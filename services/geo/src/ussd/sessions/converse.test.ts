import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { test } from "vitest";
import { type Conversation, openConversation } from "./converse.ts";
import type { DialogueStore } from "./dialogue-store.ts";
import { LEASE_MS, RENEW_MS } from "./lease.ts";
import { READ_MS, STEPS_MAX } from "./locate.ts";
import { memoryDialogues } from "./memory-dialogues.ts";
import { type Caller, caller, LIFETIMES, PIN, testKeys } from "./testing.ts";

/** A conversation with time in hand: pausing lets it pass. */
function world(wrap: (store: DialogueStore) => DialogueStore = (store) => store, keys = testKeys) {
  const time = { nowMs: Date.UTC(2026, 0, 5, 10) };
  const clock = () => time.nowMs;
  const store = wrap(memoryDialogues(clock, LIFETIMES));
  const pause = async (ms: number) => {
    time.nowMs += ms;
  };
  const renewals = new Set<() => void>();
  const every = (ms: number, work: () => void) => {
    assert.equal(ms, RENEW_MS);
    renewals.add(work);
    return () => renewals.delete(work);
  };
  /** Time passes in processes that live. */
  const live = async (ms: number): Promise<void> => {
    for (const endMs = time.nowMs + ms; time.nowMs < endMs; ) {
      time.nowMs += RENEW_MS;
      for (const renew of renewals) renew();
      await setImmediate();
    }
  };
  return {
    ...openConversation({ store, keys, clock, pause, every }),
    time,
    store,
    live,
    renewals,
  };
}

const say = async ({ hear }: Conversation, who: Caller, text: string) => {
  const { kind, screen } = await hear(who.heard(text));
  return `${kind} ${screen.kind} ${screen.name}`;
};

test("each callback takes the dialogue one step on", async () => {
  const talk = world();
  const one = caller("s-1");
  assert.equal(await say(talk, one, ""), "opened CON main");
  assert.equal(await say(talk, one, "1"), "next CON account");
  assert.equal(await say(talk, one, "1*2"), "next CON pin");
  assert.equal(await say(talk, one, `1*2*${PIN}`), "next CON infos");
  assert.equal(await say(talk, one, `1*2*${PIN}*0`), "next CON account");
  assert.equal(await say(talk, one, `1*2*${PIN}*0*0*0`), "next END bye");
  assert.deepEqual(one.asked, ["3 checkPin 8305", "3 infos", "6 logout"]);
  assert.deepEqual(one.told, ["0 main", "1 account", "2 pin", "3 infos", "4 account", "6 bye"]);
});

test("a repeated callback gets the same answer, and nothing is done", async () => {
  const talk = world();
  const one = caller("s-1");
  for (const text of ["", "1", "1*1", "1*1*4071"]) {
    const first = await talk.hear(one.heard(text));
    const again = await talk.hear(one.heard(text));
    assert.deepEqual(again, { kind: "repeat", screen: first.screen });
  }
  assert.deepEqual(one.asked, ["3 checkPin 4071"]);
  assert.equal(one.told.length, 4);
});

test("a late callback gets the screen of now, and nothing is done", async () => {
  const talk = world();
  const one = caller("s-1");
  for (const text of ["", "1", "1*1", `1*1*${PIN}`, `1*1*${PIN}*0`]) await say(talk, one, text);
  for (const late of ["", "1", "1*1", `1*1*${PIN}`, "1*1*4071", "3", "1*1*4071*0*0"]) {
    assert.equal(await say(talk, one, late), "stale CON account");
  }
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
  assert.equal(await say(talk, one, `1*1*${PIN}*0*0`), "next CON main");
});

test("a callback that overtook others stands for them", async () => {
  const talk = world();
  const one = caller("s-1");
  assert.equal(await say(talk, one, `1*1*${PIN}`), "opened CON notice");
  assert.equal(await say(talk, one, "1*1"), "stale CON notice");
  assert.equal(await say(talk, one, ""), "stale CON notice");
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
});

test("USS-06: *131*1*2# is dialled at once, and later callbacks follow it", async () => {
  const talk = world();
  const one = caller("s-1");
  const hear = async (text: string) => {
    const { kind, screen } = await talk.hear(one.heard(text, {}, ["1", "2"]));
    return `${kind} ${screen.name}`;
  };
  assert.equal(await hear(""), "opened pin");
  assert.equal(await hear(PIN), "next infos");
  assert.equal(await hear(""), "stale infos");
});

test("what follows the end is not taken", async () => {
  const talk = world();
  const one = caller("s-1");
  assert.equal(await say(talk, one, "0*1*1"), "opened END bye");
  assert.equal(await say(talk, one, "0*1*1"), "repeat END bye");
  assert.equal(await say(talk, one, `0*1*1*${PIN}`), "stale END bye");
  assert.deepEqual(one.asked, []);
});

test("a dialogue is silent for its time, then over, and its callbacks do nothing again", async () => {
  const talk = world();
  const one = caller("s-1");
  for (const text of ["", "1", "1*1", `1*1*${PIN}`]) await say(talk, one, text);
  talk.time.nowMs += LIFETIMES.idleMs;
  for (const text of ["", "1", `1*1*${PIN}`, `1*1*${PIN}*0`]) {
    assert.equal(await say(talk, one, text), "over END bye");
  }
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
});

test("the same session id of another phone, tenant or provider is not this dialogue", async () => {
  const talk = world();
  const one = caller("s-1");
  await say(talk, one, "1*2");
  const others = [
    one.heard(`1*2*${PIN}`, { phone: "+221770000000" }),
    { ...one.heard(`1*2*${PIN}`), tenantId: "molam-ci" },
  ];
  for (const other of others) assert.equal((await talk.hear(other)).kind, "over");
  const elsewhere = await talk.hear(one.heard("", { provider: "africastalking" }));
  assert.deepEqual([elsewhere.kind, elsewhere.screen.name], ["opened", "main"]);
  assert.deepEqual(one.asked, []);
});

test("of callbacks at once one is done, and all get its answer", async () => {
  const { answers, one } = await atOnce(world());
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
  assert.deepEqual(answers.map(({ kind }) => kind).sort(), ["next", "repeat", "repeat"]);
  assert.deepEqual(new Set(answers.map(({ screen }) => screen.name)), new Set(["notice"]));
});

test("a store that keeps whatever comes is found: its callbacks are done more than once", async () => {
  const blind = world((store) => ({
    read: store.read,
    swap: async (name, next) => {
      await store.swap(name, next);
      return true;
    },
  }));
  const { one } = await atOnce(blind);
  assert.ok(one.asked.length > 1);
});

async function atOnce(talk: Conversation) {
  const one = caller("s-1");
  await say(talk, one, "1*1");
  const answers = await Promise.all([1, 2, 3].map(() => talk.hear(one.heard(`1*1*${PIN}`))));
  return { answers, one };
}

test("what fails is not taken: the next try does it under the same name", async () => {
  const talk = world();
  const one = caller("s-1");
  await say(talk, one, "1*1");
  const seen: string[] = [];
  one.before = async ({ dialogue, position }) => {
    seen.push(`${dialogue} ${position}`);
    if (seen.length === 1) throw new Error("the broker is away");
  };
  await assert.rejects(say(talk, one, `1*1*${PIN}`), /the broker is away/);
  assert.equal(await say(talk, one, `1*1*${PIN}`), "next CON notice");
  assert.equal(seen.length, 2);
  assert.equal(seen[0], seen[1]);
});

test("a dialogue that failed to open opens at the next try", async () => {
  const talk = world();
  const one = caller("s-1");
  const away = { ...one.heard(""), facts: () => Promise.reject(new Error("away")) };
  await assert.rejects(talk.hear(away), /away/);
  assert.equal(await say(talk, one, ""), "opened CON main");
});

test("a screen that could not be told of is not answered, and is told of again", async () => {
  const talk = world();
  const one = caller("s-1");
  const untold = { ...one.heard(""), tell: () => Promise.reject(new Error("away")) };
  await assert.rejects(talk.hear(untold), /away/);
  assert.equal(await say(talk, one, ""), "opened CON main");
  assert.deepEqual(one.told, ["0 main"]);
});

/** Hears a callback whose process stops in the middle, until `go` is called. */
async function stuck(talk: Conversation, one: Caller, text: string) {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  one.before = () => {
    one.before = async () => {};
    arrived.resolve();
    return gate.promise;
  };
  const answer = talk.hear(one.heard(text));
  await arrived.promise;
  return { answer, go: gate.resolve };
}

test("one that waits too long for another is told so, and may come again", async () => {
  const talk = world();
  const one = caller("s-1");
  await say(talk, one, "1*1");
  const { answer, go } = await stuck(talk, one, `1*1*${PIN}`);
  await assert.rejects(say(talk, one, `1*1*${PIN}`), { code: "VIG_USSD_BUSY" });
  go();
  assert.equal((await answer).kind, "next");
  assert.equal(await say(talk, one, `1*1*${PIN}`), "repeat CON notice");
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
});

test("what a process takes long for is done once, however long, also when a renewal fails", async () => {
  let failing = 0;
  const talk = world((store) => ({
    read: store.read,
    async swap(name, next) {
      if (failing-- > 0) throw new Error("Redis is away");
      return store.swap(name, next);
    },
  }));
  const one = caller("s-1");
  await say(talk, one, "1*1");
  const { answer, go } = await stuck(talk, one, `1*1*${PIN}`);
  await talk.live(3 * LEASE_MS);
  failing = 2;
  await talk.live(LEASE_MS);
  await assert.rejects(say(talk, one, `1*1*${PIN}`), { code: "VIG_USSD_BUSY" });
  go();
  assert.equal((await answer).kind, "next");
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
  assert.equal(talk.renewals.size, 0);
  assert.equal(await say(talk, one, `1*1*${PIN}`), "repeat CON notice");
});

test("what fails after long is at once free for the next try", async () => {
  const talk = world();
  const one = caller("s-1");
  await say(talk, one, "1*1");
  one.before = async () => {
    one.before = async () => {};
    await talk.live(LEASE_MS);
    throw new Error("the broker is away");
  };
  await assert.rejects(say(talk, one, `1*1*${PIN}`), /the broker is away/);
  assert.equal(talk.renewals.size, 0);
  assert.equal(await say(talk, one, `1*1*${PIN}`), "next CON notice");
});

test("a process that died is not waited for; if it lives after all, it changes nothing", async () => {
  const talk = world();
  const one = caller("s-1");
  await say(talk, one, "1*1");
  const { answer, go } = await stuck(talk, one, `1*1*${PIN}`);
  talk.time.nowMs += LEASE_MS;
  assert.equal(await say(talk, one, `1*1*${PIN}`), "next CON notice");
  assert.equal(await say(talk, one, `1*1*${PIN}*0`), "next CON account");
  go();
  assert.equal((await answer).kind, "stale");
  assert.equal(await say(talk, one, `1*1*${PIN}*0`), "repeat CON account");
});

test("who hangs up is signed out, once", async () => {
  const talk = world();
  const one = caller("s-1");
  const { callback, performerAt } = one.heard("");
  assert.equal(await talk.end(callback, performerAt), false);
  await say(talk, one, `1*1*${PIN}`);
  assert.equal(await talk.end(callback, performerAt), true);
  assert.equal(await talk.end(callback, performerAt), false);
  assert.equal(await say(talk, one, `1*1*${PIN}*0`), "stale END bye");
  assert.deepEqual(one.asked, ["3 checkPin 8305", "3 logout"]);
});

test("a provider that sends the last step alone numbers it, and no number is taken twice", async () => {
  const talk = world();
  const one = caller("s-1");
  const press = async (number: number | null, text: string) => {
    const input = { kind: "step", text, number } as const;
    const { kind, screen } = await talk.hear(one.heard("", { provider: "twilio", input }));
    return `${kind} ${screen.name}`;
  };
  assert.equal(await press(1, "1"), "over bye");
  assert.equal(await press(0, ""), "opened main");
  assert.equal(await press(0, ""), "repeat main");
  assert.equal(await press(1, "1"), "next account");
  assert.equal(await press(1, "1"), "repeat account");
  assert.equal(await press(1, "2"), "stale account");
  assert.equal(await press(2, "1"), "next pin");
  assert.equal(await press(3, PIN), "next notice");
  assert.equal(await press(3, PIN), "repeat notice");
  assert.equal(await press(2, "1"), "stale notice");
  assert.equal(await press(5, "0"), "stale notice");
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
});

test("a step without a number is the next, unless nobody can have read the screen by then", async () => {
  const talk = world();
  const one = caller("s-1");
  const press = async (text: string) => {
    const input = { kind: "step", text, number: null } as const;
    const { kind, screen } = await talk.hear(one.heard("", { provider: "infobip", input }));
    return `${kind} ${screen.name}`;
  };
  const read = (ms = READ_MS): void => {
    talk.time.nowMs += ms;
  };
  assert.equal(await press("1"), "over bye");
  assert.equal(await press(""), "opened main");
  assert.equal(await press(""), "repeat main");
  assert.equal(await press("1"), "stale main");
  read();
  assert.equal(await press("1"), "next account");
  read(READ_MS - 1);
  assert.equal(await press("1"), "stale account");
  read(1);
  // Both sent for one screen, and the second waits for the first
  one.before = async () => read(30);
  const twice = await Promise.all([press("1"), press("1")]);
  assert.deepEqual(twice, ["next pin", "stale pin"]);
  read();
  assert.deepEqual(await Promise.all([press("4071"), press("4071")]), ["next pin", "stale pin"]);
  assert.deepEqual(one.asked, ["3 checkPin 4071"]);
});

test("a text of more steps than a person takes is not walked", async () => {
  const talk = world();
  const one = caller("s-1");
  assert.equal(await say(talk, one, Array(51).fill("1").join("*")), "over END bye");
  assert.deepEqual(one.told, []);
});

test("whoever types on and on is signed out at the limit, by one text or step by step", async () => {
  const talk = world();
  const typed = ["1", "1", PIN, ...Array<string>(STEPS_MAX - 3).fill("9")];
  const whole = caller("s-1");
  assert.equal(await say(talk, whole, typed.join("*")), "opened CON account");
  assert.equal(await say(talk, whole, [...typed, "0", "0"].join("*")), "next END bye");
  assert.equal(await say(talk, whole, [...typed, "0", "0"].join("*")), "stale END bye");
  const single = caller("s-2");
  const press = async (number: number) => {
    const input = { kind: "step", text: typed[number - 1] ?? "", number } as const;
    const { kind, screen } = await talk.hear(single.heard("", { provider: "twilio", input }));
    return `${kind} ${screen.kind} ${screen.name}`;
  };
  for (let number = 0; number <= STEPS_MAX; number += 1) await press(number);
  assert.equal(await press(STEPS_MAX + 1), "next END bye");
  assert.equal(await press(STEPS_MAX + 1), "stale END bye");
  const logout = `${STEPS_MAX + 1} logout`;
  assert.deepEqual([whole.asked, single.asked], Array(2).fill(["3 checkPin 8305", logout]));
});

test("a new key in mid-dialogue cuts it in two for nobody, and frees no id", async () => {
  let keyMs = 0;
  const masters = [0, 10].map((activeFromMs) => ({
    keyId: `k${activeFromMs}`,
    activeFromMs,
    secret: Buffer.alloc(32, activeFromMs),
  }));
  const talk = world(
    (store) => store,
    derivedKeys(masters, () => keyMs),
  );
  const one = caller("s-1");
  assert.equal(await say(talk, one, `1*1*${PIN}`), "opened CON notice");
  keyMs = 10;
  assert.equal(await say(talk, one, `1*1*${PIN}`), "repeat CON notice");
  assert.equal(await say(talk, one, `1*1*${PIN}*0*0*0`), "next END bye");
  assert.deepEqual(one.asked, ["3 checkPin 8305", "6 logout"]);
  talk.time.nowMs += LIFETIMES.idleMs;
  assert.equal(await say(talk, one, `1*1*${PIN}`), "over END bye");
  assert.equal(await say(talk, caller("s-2"), ""), "opened CON main");
});
