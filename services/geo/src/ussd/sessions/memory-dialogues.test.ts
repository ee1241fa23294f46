import { dialoguesSuite } from "./dialogues.suite.ts";
import { memoryDialogues } from "./memory-dialogues.ts";

dialoguesSuite("memory", (lifetimes) => memoryDialogues(Date.now, lifetimes));
