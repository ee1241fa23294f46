import type { Codecs } from "@vigie/schemas/codec-core";
import type { Health } from "./health.ts";

/** Whether events can be encoded yet: a service answers health and 503 while it waits for the registry. */
export interface Readiness {
  isReady(): boolean;
  /** Asks for the schemas of all encoders made so far. Rejects when one is not registered; else never settles. */
  prepare(onReady?: () => void): Promise<never>;
}

export function readiness(codecs: Codecs, health: Health): Readiness {
  let ready = false;
  health.declare("schemas");
  // Once the schemas are known events are taken without it.
  health.declare("registry", { needed: false });
  return {
    isReady: () => ready,
    async prepare(onReady) {
      await codecs.ready();
      ready = true;
      health.set("schemas", true);
      onReady?.();
      return new Promise<never>(() => {});
    },
  };
}
