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

type Take = (name: string, value: string) => void;

/** Names and values, in their order; without escapes, as in a JWT, there is nothing to decode. */
function readPairs(text: string, take: Take): void {
  const isPlain = !(text.includes("%") || text.includes("+") || text.startsWith("?"));
  if (isPlain) readPlainPairs(text, take);
  else for (const [name, value] of new URLSearchParams(text)) take(name, value);
}

const at = (index: number): number => (index < 0 ? Number.POSITIVE_INFINITY : index);

function readPlainPairs(text: string, take: Take): void {
  let sign = -1;
  for (let from = 0; from < text.length; ) {
    const bar = text.indexOf("&", from);
    const end = bar < 0 ? text.length : bar;
    // Looked for once: of many names without a sign each would look through all that follow.
    if (sign < from) sign = at(text.indexOf("=", from));
    const nameEnd = Math.min(sign, end);
    if (end > from) take(text.slice(from, nameEnd), text.slice(nameEnd + 1, end));
    from = end + 1;
  }
}

/** By way of a map: an object without a prototype is a slow one, and an ordinary one takes `__proto__` for its own. */
export function parametersOf(text: string): Readonly<Record<string, string>> {
  const parameters = new Map<string, string>();
  readPairs(text, (name, value) => {
    if (parameters.has(name)) {
      const path = name.slice(0, 64);
      throw new VigError("VIG_BODY_INVALID", { path, why: "is given more than once" });
    }
    parameters.set(name, value);
  });
  return Object.fromEntries(parameters);
}
