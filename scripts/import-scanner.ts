/** A piece of source that is no code, or one that may name a module. */
const PIECES =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|`(?:\\[\s\S]|[^\\`])*`|(["'])((?:\\.|(?!\1)[^\\\n])*)\1/g;

/** What stands before the text of a module's name: from, import, import( or require( . */
const BEFORE_NAME = /(?:\bfrom|\bimport|\b(?:import|require)\s*\(|\brequire\.resolve\s*\()\s*$/;
/** Longer than any white space and keyword that may stand before a name. */
const LOOK_BACK = 200;

/**
 * The modules that a source names: static and dynamic imports, re-exports, types, require.
 * A scanner, not a parser: text in comments and templates is passed over, and a text literal counts
 * when an importing word stands right before it.
 */
export function importsOf(source: string): readonly string[] {
  const found: string[] = [];
  for (const match of source.matchAll(PIECES)) {
    const name = match[2];
    if (name === undefined) continue;
    const before = source.slice(Math.max(0, match.index - LOOK_BACK), match.index);
    if (BEFORE_NAME.test(withoutComments(before))) found.push(name);
  }
  return found;
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/\/\/[^\n]*\n/g, "\n");
