import { messageOf } from "@vigie/core/errors";
import { file, given, list, type Parsed, port } from "@vigie/service-kit/config";
import { metricsPortConfig, processConfig, stateConfig } from "@vigie/service-kit/shared-config";
import { openWitnessKeys } from "./keys.ts";

export const witnessConfig = {
  ...processConfig,
  ...stateConfig,
  ...metricsPortConfig(9106),
  WITNESS_PORT: port({ about: "add-checkpoint; 0 takes a free port", default: 3036 }),
  WITNESS_KEY_FILE: file({
    about: "Ed25519 key that cosigns, mode 600; npm run keys -- signing FILE NAME --witness",
  }),
  WITNESS_LOGS: given(
    list({
      about:
        "verifier keys of the logs that are witnessed; each bears its log's origin as its name",
      pattern: /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/,
      expected: "name+hash+base64, as npm run keys -- vkey prints it",
      countMin: 1,
    }),
    ({ env }) => {
      const { WITNESS_KEY_FILE: path, WITNESS_LOGS: logs } = env;
      return path && logs ? keysFault(path, logs.split(",")) : null;
    },
  ),
};

export type WitnessConfig = Parsed<typeof witnessConfig>;

function keysFault(path: string, logs: readonly string[]): string | null {
  try {
    openWitnessKeys(
      path,
      logs.map((key) => key.trim()).filter((key) => key !== ""),
    );
    return null;
  } catch (error) {
    return `and WITNESS_KEY_FILE are of no use: ${messageOf(error)}`;
  }
}
