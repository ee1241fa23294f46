import { VigError } from "@vigie/core/errors";
import type { FastifyInstance } from "fastify";

/** A token of 8 KiB, percent-encoded, and the other parameters. */
export const FORM_MAX_BYTES = 32_768;

/**
 * Makes the routes of `scope` take application/x-www-form-urlencoded and nothing else. A parameter that comes twice
 * is refused: two readers could take different ones. Source: RFC 6749, section 3.2.
 */
export function takeForms(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string", bodyLimit: FORM_MAX_BYTES },
    (_request, text, done) => {
      try {
        done(null, parametersOf(String(text)));
      } catch (error) {
        done(error as VigError);
      }
    },
  );
}

/** Names and values; without escapes, as in a JWT, there is nothing to decode. */
function pairsOf(text: string): Iterable<readonly [string, string]> {
  const isPlain = !(text.includes("%") || text.includes("+") || text.startsWith("?"));
  return isPlain ? plainPairsOf(text) : new URLSearchParams(text);
}

function plainPairsOf(text: string): readonly (readonly [string, string])[] {
  const pairs: [string, string][] = [];
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    pairs.push(at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)]);
  }
  return pairs;
}

export function parametersOf(text: string): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = Object.create(null);
  for (const [name, value] of pairsOf(text)) {
    if (name in parameters) {
      const path = name.slice(0, 64);
      throw new VigError("VIG_BODY_INVALID", { path, why: "is given more than once" });
    }
    parameters[name] = value;
  }
  return parameters;
}
