import type { Clock } from "@vigie/core/time";
import type { DialogueStore, Kept, Lifetimes } from "./dialogue-store.ts";

interface Held {
  /** As text, so that nothing is shared with whoever kept it. */
  readonly kept: string;
  readonly version: number;
  readonly forgottenAtMs: number;
  readonly freeAtMs: number;
}

export function memoryDialogues(clock: Clock, { idleMs, usedMs }: Lifetimes): DialogueStore {
  const dialogues = new Map<string, Held>();
  const held = (name: string): Held | null => {
    const found = dialogues.get(name);
    return found === undefined || found.freeAtMs <= clock() ? null : found;
  };
  return {
    async read(name) {
      const found = held(name);
      if (found === null) return null;
      return found.forgottenAtMs <= clock() ? "over" : (JSON.parse(found.kept) as Kept);
    },
    async swap(name, next) {
      const found = held(name);
      const nowMs = clock();
      const isLive = found !== null && found.forgottenAtMs > nowMs;
      const follows = isLive ? found.version === next.version - 1 : found === null;
      if (!follows || (!isLive && next.version !== 1)) return false;
      dialogues.set(name, {
        kept: JSON.stringify(next),
        version: next.version,
        forgottenAtMs: nowMs + idleMs,
        freeAtMs: nowMs + usedMs,
      });
      return true;
    },
  };
}
