import { createAnchors, judgeCheckpoint, reportSeals } from "./checkpoints.mjs";
import { createErasures, createOpenings, createRoom, createSeries } from "./evidence.mjs";
import { createRecordCheck } from "./hmac.mjs";
import { checkMembers, isCount, isObject, parseLine } from "./json.mjs";
import { checkFilter, isContinuation, parseLeaf, passes } from "./leaf.mjs";
import { eachLine } from "./lines.mjs";
import { createTree, leafHash } from "./merkle.mjs";
import { createProofs } from "./proofs.mjs";

const FORMAT = "vigie-audit/1";

/**
 * Verifies an export as docs/audit-format.md describes it, line by line, into the report.
 * `trust`: what readTrust returns.
 */
export async function verifyExport(chunks, trust, report) {
  let lines = null;
  let stopped = false;
  await eachLine(chunks, (bytes, isWhole) => {
    if (lines === null) {
      lines = openExport(bytes, trust, report);
      stopped = lines === null;
    } else lines.line(bytes, isWhole);
    return !stopped;
  });
  if (lines !== null) lines.finish();
  else if (!stopped) report.unreadable(null, "it is empty");
}

/** Reads the first line; null if this is no export, or nothing can be compared with it. */
function openExport(bytes, trust, report) {
  let header;
  try {
    header = parseLine(bytes);
    if (header.format !== FORMAT) throw new Error(`its format is not ${FORMAT}`);
  } catch (error) {
    report.unreadable(null, `the first line is not that of an export: ${error.message}`);
    return null;
  }
  try {
    const signed = checkHeader(header, trust, report);
    return signed === null ? null : createLines(header, signed, trust, report);
  } catch (error) {
    report.tampered(null, `the first line: ${error.message}`);
    return null;
  }
}

function checkHeader(header, trust, report) {
  checkMembers(header, ["format", "origin", "tree_size", "checkpoint", "boxes", "filter"]);
  if (header.boxes !== "opened" && header.boxes !== "sealed")
    throw new Error("its boxes are neither");
  if (header.filter !== null) checkFilter(header.filter);
  if (typeof header.checkpoint !== "string") throw new Error("its checkpoint is no text");
  if (!isCount(header.tree_size)) throw new Error("its tree_size is no count");
  const what = "the export's checkpoint";
  const signed = judgeCheckpoint(header.checkpoint, { ...trust, what, report, kind: "tampered" });
  if (signed === null) return null;
  reportSeals(signed, trust, report);
  const { origin, size, root } = signed;
  Object.assign(report.facts, { origin, size: Number(size), root: root.toString("base64") });
  report.facts.boxes = header.boxes;
  if (header.filter !== null) {
    report.facts.filter = header.filter;
    if (trust.isWhole) report.incomplete(null, "it holds chosen leaves, and not all");
  }
  if (header.origin !== origin || BigInt(header.tree_size) !== size) {
    throw new Error("its origin or tree_size is not that of its checkpoint");
  }
  return signed;
}

/** What reads the lines behind the first one. */
function createLines(header, signed, trust, report) {
  const state = { next: 0, read: 0, leaves: null, isBroken: false };
  const tree = createTree();
  const anchors = createAnchors(signed, trust, report);
  const leafLine = createLeafLine({ header, signed, trust, report, state, tree, anchors });

  function line(bytes, isWhole) {
    let value;
    try {
      value = parseLine(bytes);
    } catch (error) {
      if (isWhole || state.leaves !== null) bad(error);
      else report.incomplete(null, "it breaks off in the middle of a line");
      return;
    }
    try {
      if (state.leaves !== null) throw new Error("a line stands behind the end");
      if (Object.hasOwn(value, "end")) end(value);
      else if (Object.hasOwn(value, "progress")) progress(value);
      else leafLine(value);
    } catch (error) {
      bad(error);
    }
  }

  function bad({ message }) {
    state.isBroken = true;
    report.tampered(state.next, `a line where leaf ${state.next} is due: ${message}`);
  }

  function end(value) {
    checkMembers(value, ["end", "leaves"]);
    if (value.end !== true || !isCount(value.leaves)) throw new Error("the end is none");
    state.leaves = value.leaves;
  }

  function progress(value) {
    checkMembers(value, ["progress"]);
    if (!isObject(value.progress)) throw new Error("the progress is none");
    checkMembers(value.progress, ["read", "of"]);
    const { read, of } = value.progress;
    const isPlace =
      isCount(read) && (header.filter === null ? read === state.next : read >= state.next);
    if (!isPlace || of !== header.tree_size) throw new Error("the progress is of another place");
  }

  return {
    line,
    finish() {
      leafLine.finish();
      finishCounts(header, state, report);
      report.facts.leaves = state.read;
      if (header.filter === null && !state.isBroken && state.next === header.tree_size) {
        if (!tree.root().equals(signed.root)) {
          report.tampered(null, "the leaves do not give the root of the checkpoint");
        }
      }
      const isPartial = header.filter !== null || state.read === 0;
      if (!state.isBroken) anchors.finish(trust.proofs, isPartial);
    },
  };
}

function finishCounts({ filter, tree_size }, { next, read, leaves }, report) {
  if (leaves === null) report.incomplete(null, "it has no end line: it broke off");
  else if (leaves !== read) {
    report.tampered(null, `its end says ${leaves} leaves, and it has ${read}`);
  }
  if (filter !== null || next >= tree_size) return;
  const why = rangeOf(next, tree_size - 1);
  if (leaves === null) report.incomplete(next, why);
  else report.tampered(next, `${why}, and it says that it is whole`);
}

const rangeOf = (from, to) =>
  from === to ? `leaf ${from} is missing` : `leaves ${from} to ${to} are missing`;

/** Judges the line of one leaf. Throws: an Error that says what the line is not. */
function createLeafLine({ header, signed, trust, report, state, tree, anchors }) {
  const isFiltered = header.filter !== null;
  const prove = createProofs(signed);
  const checkRecord = createRecordCheck(trust.secrets, report);
  const room = createRoom(report);
  const erasures = createErasures(report, room);
  const series = createSeries(report, room);
  const checkOpened = createOpenings(header.boxes, erasures, report);

  function leafLine(line) {
    checkLine(line, header.boxes);
    const { i } = line;
    place(i);
    state.read += 1;
    const hash = leafHash(line.leaf);
    if (hash === null) {
      state.isBroken = true;
      report.tampered(i, "it is longer than 65,535 bytes");
      return;
    }
    if (!isFiltered && !state.isBroken) {
      tree.append(hash);
      anchors.at(tree);
    }
    const unproven = i < header.tree_size ? prove(i, hash, line) : null;
    if (unproven === undefined && isFiltered) report.tampered(i, "it has no proof");
    const wrong = unproven ?? checkRecord(i, hash, line);
    if (wrong !== null) report.tampered(i, wrong);
    meaning(i, line);
  }

  /** Indexes rise by one; in a filtered export they only rise. */
  function place(i) {
    if (isFiltered) {
      if (i < state.next) report.tampered(i, `it stands behind leaf ${state.next - 1}`);
    } else if (i !== state.next) {
      state.isBroken = true;
      const missing = rangeOf(state.next, i - 1);
      report.tampered(state.next, i > state.next ? missing : `leaf ${i} stands where it is due`);
    }
    if (i >= header.tree_size) report.tampered(i, "it is behind the end of the tree");
    state.next = Math.max(state.next, i + 1);
  }

  function meaning(i, line) {
    let leaf;
    try {
      leaf = parseLeaf(line.leaf);
    } catch (error) {
      report.unreadable(i, error.message);
      return;
    }
    if (i === 0 && isContinuation(leaf)) anchors.follow(leaf.payload);
    if (isFiltered && !passes(leaf, header.filter))
      report.tampered(i, "the filter does not mean it");
    checkOpened(i, leaf, line);
    erasures.read(i, leaf);
    if (!isFiltered) series.read(i, leaf);
  }

  leafLine.finish = () => {
    erasures.finish(state.leaves !== null);
    if (!isFiltered) series.finish();
  };
  return leafLine;
}

function checkLine(line, boxes) {
  checkMembers(line, ["i", "leaf", "sig", "key_id"], ["opened", "aside", "proof", "tile"]);
  if (!isCount(line.i)) throw new Error("its i is no index");
  if (typeof line.leaf !== "string") throw new Error("its leaf is no text");
  if (!line.leaf.isWellFormed()) throw new Error("its leaf holds half a character");
  if (line.opened !== undefined && !isObject(line.opened))
    throw new Error("its opened is no object");
  if (line.aside !== undefined && typeof line.aside !== "string")
    throw new Error("its aside is no text");
  if (boxes === "sealed" && (line.opened ?? line.aside) !== undefined) {
    throw new Error("a box is open in an export that says it opens none");
  }
}
