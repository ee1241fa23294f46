import { messageOf } from "@vigie/core/errors";
import { given, type KindContext, list } from "@vigie/service-kit/config";
import { parseWitness, WITNESS } from "./witnesses.ts";

/** Who cosigns checkpoints; see the command `witness`. */
export const witnessesConfig = {
  AUDIT_WITNESSES: given(
    list({
      about: "witnesses that are asked to cosign; https in production",
      pattern: WITNESS,
      expected: "name+hash+base64 URL, …",
      default: [],
    }),
    ({ env, production }) =>
      env.AUDIT_WITNESSES ? witnessesFault(env.AUDIT_WITNESSES, production) : null,
  ),
};

function witnessesFault(text: string, production: KindContext["production"]): string | null {
  for (const item of text.split(",").flatMap((each) => each.trim() || [])) {
    try {
      const { url, key } = parseWitness(item);
      if (production && !url.startsWith("https:")) return `asks ${key.name} by http`;
    } catch (error) {
      return `is of no use: ${messageOf(error)}`;
    }
  }
  return null;
}
