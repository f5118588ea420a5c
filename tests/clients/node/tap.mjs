// What the programs in this directory share: a list of tests that prints one
// line for each, as TAP does, and a way to ask the Go test for a deed (lines
// that begin with "!", answered with a line on standard input).

import { createInterface } from "node:readline";

const [mode, ...addrs] = process.argv.slice(2);
export const cluster = mode === "cluster";
export const nodes = addrs.map((addr) => {
  const at = addr.lastIndexOf(":");
  return { host: addr.slice(0, at), port: Number(addr.slice(at + 1)) };
});

// LIMIT is the longest a test may take.
const LIMIT = 30_000;

const tests = [];
export const test = (name, run) => tests.push({ name, run });
export const onlyStandalone = (name, run) => cluster || test(name, run);
export const onlyCluster = (name, run) => cluster && test(name, run);

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// until polls a condition until it returns something true.
export async function until(what, condition, within = 15_000) {
  const end = Date.now() + within;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await sleep(20);
  }
}

const input = createInterface({ input: process.stdin });
const answers = input[Symbol.asyncIterator]();

// request asks the Go test for something, as killing a node.
export async function request(...words) {
  console.log("!" + words.join(" "));
  const { value } = await answers.next();
  if (value !== "done") throw new Error(`${words.join(" ")}: ${value}`);
}

// run runs all tests one after the other and ends the process.
export async function run(close) {
  let failed = 0;
  for (const [i, t] of tests.entries()) {
    let timer;
    try {
      await Promise.race([
        t.run(),
        new Promise((_, reject) => {
          timer = setTimeout(() => reject(new Error(`not done after ${LIMIT} ms`)), LIMIT);
        }),
      ]);
      console.log(`ok ${i + 1} - ${t.name}`);
    } catch (err) {
      failed++;
      console.log(`not ok ${i + 1} - ${t.name}`);
      for (const line of String(err.stack).split("\n")) console.log(`# ${line}`);
    } finally {
      clearTimeout(timer);
    }
  }
  console.log(`1..${tests.length}`);
  await close?.();
  process.exit(failed ? 1 : 0);
}
