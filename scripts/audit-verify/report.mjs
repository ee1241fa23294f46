/** What the verifier ends with. */
export const EXIT = { intact: 0, tampered: 1, incomplete: 2, erased: 3, unreadable: 4, usage: 64 };

/** What is wrong outweighs what can not be read, and that what is missing. */
const VERDICTS = ["tampered", "unreadable", "incomplete", "erased", "intact"];
/** More are counted and not kept: a file that is wrong everywhere must not fill the memory. */
const KEPT_MAX = 100;

/**
 * Gathers what is found. A problem belongs to a leaf (`index`), or to none (null).
 * `tampered`: something was changed, removed, inserted, moved or forged. `incomplete`: something is not there.
 */
export function createReport() {
  const kept = { tampered: [], unreadable: [], incomplete: [] };
  const counts = { tampered: 0, unreadable: 0, incomplete: 0 };
  /** By kind the problem of the lowest index: not all are found in the order of leaves. */
  const firsts = {};
  const notes = [];
  const facts = {};

  const gather = (kind) => (index, why) => {
    const problem = { kind, index, why };
    counts[kind] += 1;
    if (kept[kind].length < KEPT_MAX) kept[kind].push(problem);
    if (index !== null && !(firsts[kind]?.index <= index)) firsts[kind] = problem;
  };

  return {
    facts,
    tampered: gather("tampered"),
    unreadable: gather("unreadable"),
    incomplete: gather("incomplete"),
    /** Worth saying, and no fault. */
    note: (text) => notes.length < KEPT_MAX && notes.push(text),
    result() {
      const erased = facts.erased ?? { boxes: 0 };
      const verdict = VERDICTS.find(
        (kind) => counts[kind] > 0 || kind === "intact" || (kind === "erased" && erased.boxes > 0),
      );
      const problems = VERDICTS.flatMap((kind) => (kept[kind] ?? []).toSorted(byIndex));
      const first = firsts[verdict] ?? null;
      return { verdict, exit: EXIT[verdict], first, problems, counts, notes, ...facts };
    },
  };
}

/** What belongs to no leaf stands last. */
const byIndex = (a, b) => (a.index ?? Number.MAX_VALUE) - (b.index ?? Number.MAX_VALUE);

const ERASED =
  "Some personal data can no longer be read; for each the log holds the leaf that says its key was destroyed.";
const SENTENCES = {
  intact: ["INTACT: nothing was changed, removed, inserted or moved."],
  erased: ["ERASED, PROVEN: nothing was changed, removed, inserted or moved.", ERASED],
  tampered: ["TAMPERED: this is not what the log signed."],
  incomplete: ["INCOMPLETE: something is missing, so this proves less than it should."],
  unreadable: ["UNREADABLE: this can not be judged."],
};
/** Of leaves that were chosen less is proven. */
const OF_FILTERED = [
  "That none of the chosen leaves was left out, a filtered export can not prove; --whole refuses one.",
];
const SENTENCES_OF_FILTERED = {
  ...SENTENCES,
  intact: ["INTACT: each leaf that is here is in the log, unchanged.", ...OF_FILTERED],
  erased: [
    "ERASED, PROVEN: each leaf that is here is in the log, unchanged.",
    ERASED,
    ...OF_FILTERED,
  ],
};
const SHOWN_MAX = 20;

/** The result in words. */
export function textOf(result) {
  const { verdict, first, problems, counts, notes, filter } = result;
  const total = counts.tampered + counts.unreadable + counts.incomplete;
  return [
    ...(filter === undefined ? SENTENCES : SENTENCES_OF_FILTERED)[verdict],
    first === null ? null : `First bad leaf: ${first.index}. ${first.why}.`,
    ...problems.slice(0, SHOWN_MAX).map(lineOf),
    total > SHOWN_MAX ? `  … ${total} in all` : null,
    ...factsOf(result),
    ...notes.map((note) => `  note: ${note}`),
  ]
    .filter((line) => line !== null)
    .map(printable)
    .join("\n");
}

const SHOWN_CHARS_MAX = 400;
/** Names come out of the file: none may begin a line, move the cursor or turn the text around. */
const printable = (line) =>
  line.slice(0, SHOWN_CHARS_MAX).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");

const lineOf = ({ kind, index, why }) =>
  `  ${kind}${index === null ? "" : ` leaf ${index}`}: ${why}`;

function factsOf({ origin, size, root, keys, witnesses, leaves, filter, boxes, erased, hmac }) {
  return [
    origin === undefined ? null : `  log ${origin}, ${size} leaves, root ${root}`,
    keys?.length > 0 ? `  signed by ${keys.join(", ")}` : null,
    ...(witnesses ?? []).map(({ name, at }) => `  cosigned by ${name} at ${at}`),
    leaves === undefined ? null : `  ${leaves} leaves read`,
    filter === undefined ? null : `  chosen by ${JSON.stringify(filter)}`,
    boxes === "sealed" ? "  all boxes are closed: nothing is said of what can still be read" : null,
    erased?.boxes > 0 ? `  ${erased.boxes} boxes of ${erased.subjects} erased persons` : null,
    hmac === undefined ? null : `  ${hmac.verified} record signatures verified`,
  ].filter((line) => line !== null);
}
