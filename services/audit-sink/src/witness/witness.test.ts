import { cosign, verifyCosignature } from "@vigie/audit-log/checkpoint";
import { NOTE_BYTES_MAX, openNote, signNote } from "@vigie/audit-log/note";
import { silentLogger } from "@vigie/core/log";
import { describe, expect, test } from "vitest";
import { signCheckpoint } from "../checkpoint/keys.ts";
import { keyNamed, logKeys } from "../checkpoint/testing.ts";
import { openRecords, originHash, type Records } from "./records.ts";
import { base64, T0, TestLog, testWitness } from "./testing.ts";

describe("a checkpoint is cosigned", () => {
  test("the first one, of any size, without a proof", async () => {
    const log = new TestLog(7);
    const witness = testWitness(log);
    const answer = await witness.addCheckpoint(await log.body(0, 7));
    expect(answer.status).toBe(200);
    const { text } = await log.checkpoint(7);
    const { signer } = witness;
    expect(verifyCosignature(text, answer.body, signer.key)).toEqual({
      line: answer.body,
      timeS: BigInt(T0 / 1_000),
    });
  });

  test("each one that the tree has grown to, and the same one again", async () => {
    const log = new TestLog(300);
    const witness = testWitness(log);
    let from = 0;
    for (const to of [1, 1, 2, 3, 8, 8, 255, 256, 257, 300]) {
      expect((await witness.addCheckpoint(await log.body(from, to))).status, `to ${to}`).toBe(200);
      from = to;
    }
  });

  test("that of an empty tree, and then one that has leaves", async () => {
    const log = new TestLog(3);
    const witness = testWitness(log);
    expect((await witness.addCheckpoint(await log.body(0, 0))).status).toBe(200);
    expect((await witness.addCheckpoint(await log.body(0, 0))).status).toBe(200);
    expect((await witness.addCheckpoint(await log.body(0, 3))).status).toBe(200);
  });

  test("with signatures of strangers beside the log's", async () => {
    const log = new TestLog(3);
    const stranger = signCheckpoint({ ...log.keys, signer: keyNamed("stranger") }, await head(log));
    const note = (await log.checkpoint(3)).note + stranger.note.split("\n\n")[1];
    const witness = testWitness(log);
    expect((await witness.addCheckpoint(await log.body(0, 3, { note }))).status).toBe(200);
  });

  test("with the log's signature many times: the record of it can still be read", async () => {
    const log = new TestLog(4);
    const { note, text } = await log.checkpoint(3);
    const line = note.slice(text.length + 1);
    const witness = testWitness(log);
    const many = await log.body(0, 3, { note: `${text}\n${line.repeat(64)}` });
    expect((await witness.addCheckpoint(many)).status).toBe(200);
    expect((await witness.addCheckpoint(await log.body(3, 4))).status).toBe(200);
  });

  test("for two logs apart", async () => {
    const [one, two] = [new TestLog(3), new TestLog(5, logKeys("log.example/other"))];
    const logs = new Map([one, two].map(({ keys }) => [keys.origin, keys.trusted]));
    const witness = testWitness(one, { logs });
    expect((await witness.addCheckpoint(await one.body(0, 3))).status).toBe(200);
    expect((await witness.addCheckpoint(await two.body(0, 5))).status).toBe(200);
    expect(await witness.addCheckpoint(await one.body(0, 3))).toMatchObject({ body: "3\n" });
  });
});

describe("a request is refused", () => {
  const log = new TestLog(9);
  const other = new TestLog(9, logKeys("log.example/unknown"));
  const impostor = new TestLog(9, logKeys(log.keys.origin));
  const zeros = Buffer.alloc(32);

  /** A witness that has cosigned five leaves. */
  async function after5() {
    const witness = testWitness(log);
    expect((await witness.addCheckpoint(await log.body(0, 5))).status).toBe(200);
    return witness;
  }
  const lieAbout = async (size: number, root: Buffer): Promise<{ note: string }> =>
    signCheckpoint(log.keys, { size: BigInt(size), root });

  test.each([
    ["an unknown log: 404", 404, () => other.body(5, 9)],
    ["a key that is not the log's: 403", 403, () => impostor.body(5, 9)],
    ["no signature that is the text's: 403", 403, () => forged()],
    ["an old size above the new one: 400", 400, () => log.body(9, 5)],
    ["a note that leaves no room for our line: 400", 400, () => overlong(log)],
    ["a proof with a wrong hash: 422", 422, () => log.body(5, 9, { proof: [base64(zeros)] })],
    ["no proof: 422", 422, () => log.body(5, 9, { proof: [] })],
    ["a fork behind what was seen: 422", 422, () => log.fork(3, 6).body(5, 9)],
    [
      "another root of the same size: 422",
      422,
      async () => log.body(5, 5, await lieAbout(5, zeros)),
    ],
    ["a proof from a tree to itself: 422", 422, () => log.body(5, 5, { proof: [base64(zeros)] })],
  ])("%s", async (_, status, body) => {
    const witness = await after5();
    expect((await witness.addCheckpoint(await body())).status).toBe(status);
    // And nothing has changed: the right one is cosigned still.
    expect((await witness.addCheckpoint(await log.body(5, 9))).status).toBe(200);
  });

  async function forged(): Promise<Buffer> {
    const [text] = (await log.checkpoint(9)).note.split("\n\n");
    const [, line] = (await log.checkpoint(5)).note.split("\n\n");
    return log.body(5, 9, { note: `${text}\n\n${line}` });
  }

  test.each([
    ["a proof from the empty tree", () => log.body(0, 9, { proof: [base64(zeros)] })],
    ["an empty tree with a root", async () => log.body(0, 0, await lieAbout(0, zeros))],
  ])("%s: 422", async (_, body) => {
    expect((await testWitness(log).addCheckpoint(await body())).status).toBe(422);
  });

  test.each([[0], [4], [6], [9]])("an old size of %i that was not the last: 409", async (old) => {
    const witness = await after5();
    expect(await witness.addCheckpoint(await log.body(old, 9))).toEqual({
      status: 409,
      body: "5\n",
      type: "text/x.tlog.size",
    });
  });

  test("our own cosignature in place of the log's signature: 403", async () => {
    const witness = await after5();
    const { text } = await log.checkpoint(9);
    const note = `${text}\n${cosign(text, witness.signer, 12n)}`;
    expect((await witness.addCheckpoint(await log.body(5, 9, { note }))).status).toBe(403);
  });

  test("a forked log is told of, with both its checkpoints", async () => {
    const told: object[] = [];
    const witness = testWitness(log, {
      log: { ...silentLogger, error: (fields) => told.push(fields) },
    });
    await witness.addCheckpoint(await log.body(0, 5));
    await witness.addCheckpoint(await log.fork(3, 6).body(5, 9));
    const seen = expect.stringContaining((await log.checkpoint(5)).text) as string;
    const refused = (await log.fork(3, 6).checkpoint(9)).text;
    expect(told).toEqual([expect.objectContaining({ origin: log.keys.origin, seen, refused })]);
  });
});

/** As long a note as there may be. */
async function overlong(log: TestLog): Promise<Buffer> {
  const { note, text } = await log.checkpoint(9);
  const extension = `${"x".repeat(NOTE_BYTES_MAX - note.length - 1)}\n`;
  return log.body(5, 9, { note: signNote(text + extension, [log.keys.signer]) });
}

describe("two at once", () => {
  test("of many that grow one tree one is cosigned at a time; the others hear where it is", async () => {
    const log = new TestLog(40);
    const witness = testWitness(log);
    const bodies = Array.from({ length: 40 }, (_, i) => log.body(0, i + 1));
    const answers = await Promise.all((await Promise.all(bodies)).map(witness.addCheckpoint));
    const cosigned = answers.filter(({ status }) => status === 200);
    expect(cosigned).toHaveLength(1);
    const size = answers.findIndex(({ status }) => status === 200) + 1;
    const others = answers.filter(({ status }) => status !== 200);
    expect(others).toHaveLength(39);
    for (const answer of others) expect(answer).toMatchObject({ status: 409, body: `${size}\n` });
  });

  test("the same checkpoint may be asked for by many", async () => {
    const log = new TestLog(9);
    const witness = testWitness(log);
    await witness.addCheckpoint(await log.body(0, 9));
    const body = await log.body(9, 9);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => witness.addCheckpoint(body)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });

  const fork = async (records: (folder: string) => Records) => {
    const log = new TestLog(20);
    const forked = log.fork(5, 15);
    const one = testWitness(log);
    await one.addCheckpoint(await log.body(0, 5));
    // Two processes on one folder, each asked for both branches, again and again.
    const { folder, signer } = one;
    const witnesses = [1, 2].map(() => testWitness(log, { signer, records: records(folder) }));
    const branches = { log: new Set<number>(), forked: new Set<number>() };
    await Promise.all(
      [10, 12, 15, 20].flatMap((to) =>
        witnesses.flatMap(async (witness) => {
          const [right, wrong] = [await log.body(5, to), await forked.body(5, to)];
          const answers = await Promise.all([right, wrong].map(witness.addCheckpoint));
          if (answers[0]?.status === 200) branches.log.add(to);
          if (answers[1]?.status === 200) branches.forked.add(to);
        }),
      ),
    );
    return branches;
  };

  test("of a fork one branch is cosigned, by two processes on one folder as well", async () => {
    for (let round = 0; round < 10; round += 1) {
      const { log, forked } = await fork(openRecords);
      expect(log.size + forked.size).toBe(1);
    }
  });

  test("a record that is replaced whatever was read is found out", async () => {
    const careless = (folder: string): Records => {
      const records = openRecords(folder);
      const replace: Records["replace"] = async (origin, _, note) => {
        while (!(await records.replace(origin, await records.read(origin), note)));
        return true;
      };
      return { ...records, replace };
    };
    const { log, forked } = await fork(careless);
    expect(log.size + forked.size).toBeGreaterThan(1);
  });
});

describe("a witness that dies", () => {
  test("after the record is durable and before it answers: the log is told where it stands", async () => {
    const log = new TestLog(9);
    const first = testWitness(log);
    await first.addCheckpoint(await log.body(0, 5));
    const dies: Records = {
      ...first.records,
      async replace(origin, read, note) {
        await first.records.replace(origin, read, note);
        throw new Error("killed");
      },
    };
    const { folder, signer } = first;
    const dying = testWitness(log, { signer, records: dies });
    await expect(dying.addCheckpoint(await log.body(5, 9))).rejects.toThrow("killed");
    const reborn = testWitness(log, { signer, folder });
    const again = await reborn.addCheckpoint(await log.body(5, 9));
    expect(again).toMatchObject({ status: 409, body: "9\n" });
    expect((await reborn.addCheckpoint(await log.body(9, 9))).status).toBe(200);
  });

  test("before the record is durable: nothing was cosigned, and nothing is lost", async () => {
    const log = new TestLog(9);
    const first = testWitness(log);
    await first.addCheckpoint(await log.body(0, 5));
    const { folder, signer } = first;
    const dies: Records = { ...first.records, replace: () => Promise.reject(new Error("killed")) };
    const dying = testWitness(log, { signer, records: dies });
    await expect(dying.addCheckpoint(await log.body(5, 9))).rejects.toThrow("killed");
    const reborn = testWitness(log, { signer, folder });
    expect((await reborn.addCheckpoint(await log.body(5, 9))).status).toBe(200);
  });

  test("a record that no key of log or witness signed is not taken for what was seen", async () => {
    const log = new TestLog(9);
    const witness = testWitness(log);
    await witness.addCheckpoint(await log.body(0, 5));
    const stranger = testWitness(log, { folder: witness.folder, logs: strangers(log) });
    await expect(
      stranger.addCheckpoint(await log.body(5, 9, await resigned(log, 9))),
    ).rejects.toThrow("VIG_AUDIT_NOTE_UNTRUSTED");
  });

  test("the log's key and then the witness's may be replaced", async () => {
    const log = new TestLog(9);
    const witness = testWitness(log);
    await witness.addCheckpoint(await log.body(0, 5));
    const { folder, signer } = witness;
    const logKeyReplaced = testWitness(log, { folder, signer, logs: strangers(log) });
    const next = await log.body(5, 7, await resigned(log, 7));
    expect((await logKeyReplaced.addCheckpoint(next)).status).toBe(200);
    const bothReplaced = testWitness(log, { folder, logs: strangers(log) });
    const last = await log.body(7, 9, await resigned(log, 9));
    expect((await bothReplaced.addCheckpoint(last)).status).toBe(200);
  });
});

describe("what was cosigned last", () => {
  test("is served with the log's signature and ours, and nothing of strangers", async () => {
    const log = new TestLog(9);
    const witness = testWitness(log);
    const hash = originHash(log.keys.origin);
    expect((await witness.checkpoint(hash)).status).toBe(404);
    const note = `${(await log.checkpoint(9)).note}— stranger ${"A".repeat(96)}\n`;
    await witness.addCheckpoint(await log.body(0, 9, { note }));
    const { status, body } = await witness.checkpoint(hash);
    expect(status).toBe(200);
    const { verified, signatures } = openNote(body, [...log.keys.trusted, witness.signer.key]);
    expect(verified.map(({ key }) => key)).toEqual([...log.keys.trusted, witness.signer.key]);
    expect(signatures).toHaveLength(2);
    expect((await witness.checkpoint(originHash("unknown"))).status).toBe(404);
  });
});

const head = async (log: TestLog) => log.tree.head();

/** The key that the log has next, trusted under its origin. */
const nextKey = new Map<string, ReturnType<typeof keyNamed>>();
function nextKeyOf(log: TestLog) {
  const { origin } = log.keys;
  const key = nextKey.get(origin) ?? keyNamed(origin);
  nextKey.set(origin, key);
  return key;
}
const strangers = (log: TestLog) => new Map([[log.keys.origin, [nextKeyOf(log).key]]]);
const resigned = async (log: TestLog, size: number) => {
  const { root } = await log.tree.copy(size).head();
  return signCheckpoint({ ...log.keys, signer: nextKeyOf(log) }, { size: BigInt(size), root });
};
