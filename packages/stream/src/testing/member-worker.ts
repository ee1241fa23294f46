import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { startProcessor } from "../runtime.ts";
import { ledgerProcessor } from "./ledger.ts";
import { silentObserver } from "./lives.ts";

export interface MemberData {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly stateDir: string;
  readonly member: string;
}

export type MemberMessage = { readonly running: number[] } | { readonly stopped: true };

/** A member of the ledger's group in a thread: tells which tasks run, stops when told anything. */
const port = parentPort;
assert(port !== null, "a member worker is a worker");
const tasks = new Set<number>();
const member = await startProcessor(ledgerProcessor(), {
  ...(workerData as MemberData),
  log: silentLogger,
  observer: {
    ...silentObserver,
    task: ({ partition, state }) => {
      if (state === "running") tasks.add(partition);
      else tasks.delete(partition);
      port.postMessage({ running: [...tasks] } satisfies MemberMessage);
    },
  },
  createInternalTopics: true,
});
port.once("message", async () => {
  await member.stop();
  port.postMessage({ stopped: true } satisfies MemberMessage);
  port.close();
});
