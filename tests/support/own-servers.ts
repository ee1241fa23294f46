import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Servers } from "./pipeline.ts";

export type ServerName = keyof Servers | "standby";

/** Servers of one test alone, that may be stopped and started again on the same ports and data. */
export interface OwnServers extends Servers {
  stop(name: ServerName): Promise<void>;
  /** Resolves with its address. "standby", a second Redis, does not run before. */
  start(name: ServerName): Promise<string>;
  close(): Promise<void>;
}

interface Answer {
  readonly id: number;
  readonly error: string | null;
  readonly address?: string | null;
  readonly addresses?: Servers;
}

/** As plain processes, also where Docker answers: a test that takes servers away must own them. Redis forgets. */
export async function startOwnServers(): Promise<OwnServers> {
  const child = fork(join(import.meta.dirname, "servers-process.mjs"), [], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: [],
  });
  const exited = once(child, "exit");
  const waiting = new Map<number, (answer: Answer) => void>();
  const answerTo = async (id: number): Promise<Answer> => {
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve);
    });
    if (answer.error !== null) throw new Error(answer.error);
    return answer;
  };
  child.on("message", (answer: Answer) => waiting.get(answer.id)?.(answer));
  child.once("exit", () => {
    for (const [id, resolve] of waiting) resolve({ id, error: "the servers' keeper has ended" });
  });
  const { addresses } = await answerTo(0);
  if (addresses === undefined) throw new Error("the servers' keeper told no addresses");
  let orders = 0;
  const tell = async (order: "stop" | "start", name: ServerName): Promise<string> => {
    orders += 1;
    const done = answerTo(orders);
    child.send({ id: orders, order, name });
    return (await done).address ?? "";
  };
  return {
    ...addresses,
    stop: async (name) => void (await tell("stop", name)),
    start: (name) => tell("start", name),
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
