import { createTree, extendsTree } from "./merkle.mjs";
import { judgeSignatures, parseCheckpoint, parseNote } from "./note.mjs";

/**
 * A checkpoint by its note. That a signature is missing or false goes to the report; what is no checkpoint at all
 * gives null, after `report[kind]`.
 * Returns: { what, origin, size (bigint), root, seals: [{ key, atMs }] }
 */
export function judgeCheckpoint(note, { what, keys, report, kind }) {
  try {
    const parsed = parseNote(note);
    const checkpoint = parseCheckpoint(parsed.text);
    const judged = judgeSignatures(parsed, keys);
    for (const { key } of judged.filter(({ holds }) => !holds)) {
      report.tampered(null, `${what}: the signature of ${key.name} is false`);
    }
    const seals = judged.filter(({ holds }) => holds);
    const ours = seals.filter(({ key }) => !key.isWitness && key.name === checkpoint.origin);
    if (ours.length === 0) report.tampered(null, `${what}: it is not signed by the key of the log`);
    return { what, ...checkpoint, seals };
  } catch (error) {
    report[kind](null, `${what}: ${error.message}`);
    return null;
  }
}

/**
 * Says who signed the checkpoint, and which witness that was asked for did not. A cosignature below `given`, the one
 * from elsewhere, counts if that is of the same tree: of a smaller one it says nothing of the leaves behind its end.
 */
export function reportSeals(signed, { given, witnesses }, report) {
  const { what, seals } = signed;
  report.facts.keys = seals.filter(({ key }) => !key.isWitness).map(({ key }) => key.text);
  const all = given !== null && isOfSameTree(given, signed) ? [...seals, ...given.seals] : seals;
  // A witness that says no time does not say that it knew no larger tree.
  const cosigned = all.filter(({ key, atMs }) => key.isWitness && atMs > 0);
  report.facts.witnesses = cosigned.map(({ key, atMs }) => ({ name: key.name, at: timeOf(atMs) }));
  for (const witness of witnesses) {
    if (cosigned.some(({ key }) => key === witness)) continue;
    report.incomplete(null, `${what}: ${witness.name} has not cosigned it`);
  }
}

const isOfSameTree = (one, other) =>
  one.origin === other.origin && one.size === other.size && one.root.equals(other.root);

/** Dates end in the year 275760, times of cosignatures do not. */
const timeOf = (atMs) => (atMs <= 8.64e15 ? new Date(atMs).toISOString() : `${atMs} ms`);

/**
 * Compares the tree with what else was signed: `at(tree)` after every leaf, `finish` once all is read.
 * `main` is the checkpoint that the leaves belong to; `trust` as readTrust returns it.
 */
export function createAnchors(main, { keys, others }, report) {
  const open = [];
  const foreign = [];
  let before = null;
  for (const { checkpoint, isOlder } of others) {
    const { what, size, origin, root } = checkpoint;
    if (size === 0n && !root.equals(EMPTY_ROOT)) {
      report.tampered(null, `${what}: no tree without leaves has its root`);
    }
    if (origin !== main.origin) foreign.push(checkpoint);
    else if (size > main.size && isOlder) {
      const now = `it has ${size} leaves, and now there are ${main.size}`;
      report.tampered(null, `${what}: ${now}: the log was set back`);
    } else if (size > main.size) {
      report.incomplete(null, `${what}: it has ${size} leaves, and these end at ${main.size}`);
    } else if (size === main.size && !root.equals(main.root)) {
      report.tampered(null, `${what}: ${FORKED}`);
    } else if (size < main.size && size > 0n) open.push(checkpoint);
  }
  open.sort((a, b) => Number(a.size - b.size));

  /** Of the log that this one follows. */
  function judgeForeign({ what, origin, size, root }, isPartial) {
    if (before === null || before.origin !== origin) {
      const kind = before === null && isPartial ? "incomplete" : "tampered";
      report[kind](null, `${what}: it is of another log, ${origin}`);
    } else if (size > before.size || (size === before.size && !root.equals(before.root))) {
      report.tampered(0, `${what}: the log goes on from another end of ${origin} than this`);
    } else if (size < before.size) {
      report.incomplete(null, `${what}: it is to be compared with an export of ${origin}`);
    }
  }

  return {
    /** The first leaf names this checkpoint of another log as the one that this log follows. */
    follow({ origin, after }) {
      try {
        if (origin !== main.origin) throw new Error(`it is followed by ${origin} and not by this`);
        before = checkpointBefore(after, keys);
        report.note(`the log says that it goes on from ${before.origin} at ${before.size} leaves`);
      } catch (error) {
        report.tampered(0, `the log that this one follows: ${error.message}`);
      }
    },
    at(tree) {
      while (open.length > 0 && open[0].size === BigInt(tree.size())) {
        const { what, root } = open.shift();
        if (!root.equals(tree.root())) report.tampered(null, `${what}: ${FORKED}`);
      }
    },
    /**
     * What the leaves did not show, a consistency proof can: [{ first, second, proof }], sizes bigint.
     * `isPartial`: the first leaf may be one that is not there.
     */
    finish(proofs, isPartial) {
      for (const checkpoint of foreign) judgeForeign(checkpoint, isPartial);
      for (const { what, size, root } of open) {
        const shown = proofs.find(({ first, second }) => first === size && second === main.size);
        if (shown === undefined) {
          const sizes = `from ${size} to ${main.size}`;
          report.incomplete(null, `${what}: a consistency proof ${sizes} is needed`);
        } else if (!extendsTree({ ...shown, firstRoot: root, secondRoot: main.root })) {
          report.tampered(null, `${what}: the consistency proof does not lead to it`);
        }
      }
    },
  };
}

const EMPTY_ROOT = createTree().root();
const FORKED = "its root is another one: the log was rewritten or forked";

/**
 * The checkpoint of the log before, as a leaf names it. Throws: an Error that says what it is not.
 * A key of that log that is trusted must have signed it.
 */
function checkpointBefore(note, keys) {
  const parsed = parseNote(note);
  const checkpoint = parseCheckpoint(parsed.text);
  const seals = judgeSignatures(parsed, keys);
  const known = keys.filter(({ name, isWitness }) => name === checkpoint.origin && !isWitness);
  if (known.length > 0 && !seals.some(({ key, holds }) => holds && known.includes(key))) {
    throw new Error(`${checkpoint.origin} has not signed its checkpoint`);
  }
  return checkpoint;
}
