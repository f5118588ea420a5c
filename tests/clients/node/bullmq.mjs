// BullMQ on a cluster: some hundred jobs with delays, priorities, retries,
// repeats and a flow, and a failover in their middle.

import assert from "node:assert/strict";
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
import { Cluster, Redis } from "ioredis";
import { cluster, nodes, request, run, sleep, test, until } from "./tap.mjs";

const JOBS = 300;
// A node that is killed takes commands with it: they are sent again.
const connect = () =>
  cluster
    ? new Cluster(nodes, {
        clusterRetryStrategy: () => 50,
        retryDelayOnFailover: 50,
        retryDelayOnClusterDown: 50,
        maxRedirections: 200,
        redisOptions: { maxRetriesPerRequest: null },
      })
    : new Redis({ ...nodes[0], maxRetriesPerRequest: null });
const prefix = "{bull}";
const connection = connect();
const open = [];
const keep = (x) => {
  x.on("error", () => {}); // lost connections; the jobs tell what matters
  open.push(x);
  return x;
};
const queue = (name) => keep(new Queue(name, { connection, prefix }));
const worker = (name, process, more) => keep(new Worker(name, process, { connection: connect(), prefix, ...more }));

test("jobs run in the order of their priorities", async () => {
  const q = queue("priorities");
  for (const priority of [5, 1, 3, 2, 4]) await q.add("job", { priority }, { priority });
  await q.add("job", { priority: 0 });
  assert.deepEqual(await q.getJobCounts("waiting", "prioritized"), { waiting: 1, prioritized: 5 });
  const ran = [];
  const w = worker("priorities", async (job) => void ran.push(job.data.priority), { concurrency: 1 });
  await until("six jobs", () => ran.length === 6);
  assert.deepEqual(ran, [0, 1, 2, 3, 4, 5]);
  await w.close();
});

test("delayed jobs run when they are due, in that order", async () => {
  const q = queue("delays");
  const start = Date.now();
  await q.addBulk([400, 200, 300, 100].map((delay) => ({ name: "job", data: { delay }, opts: { delay } })));
  assert.equal(await q.getDelayedCount(), 4);
  const ran = [];
  const w = worker("delays", async (job) => void ran.push([job.data.delay, Date.now() - start]));
  await until("four jobs", () => ran.length === 4);
  assert.deepEqual(ran.map(([delay]) => delay), [100, 200, 300, 400]);
  for (const [delay, at] of ran) assert.ok(at >= delay, `due after ${delay} ms, ran after ${at} ms`);
  await w.close();
});

test("failing jobs are tried again, and kept when they fail for good", async () => {
  const q = queue("retries");
  const events = keep(new QueueEvents("retries", { connection: connect(), prefix }));
  await events.waitUntilReady();
  const tries = {};
  const w = worker("retries", async (job) => {
    tries[job.name] = (tries[job.name] ?? 0) + 1;
    if (job.name === "hopeless") throw new UnrecoverableError("no use");
    if (job.attemptsMade < 2) throw new Error("not yet");
    return job.attemptsMade;
  });
  const late = await q.add("late", {}, { attempts: 3, backoff: { type: "exponential", delay: 20 } });
  const never = await q.add("never", {}, { attempts: 2, backoff: 20 });
  const hopeless = await q.add("hopeless", {}, { attempts: 9 });
  assert.equal(await late.waitUntilFinished(events, 15_000), 2);
  await assert.rejects(never.waitUntilFinished(events, 15_000), /not yet/);
  await assert.rejects(hopeless.waitUntilFinished(events, 15_000), /no use/);
  assert.deepEqual(tries, { late: 3, never: 2, hopeless: 1 });
  assert.deepEqual((await q.getFailed()).map((job) => job.name).sort(), ["hopeless", "never"]);
  assert.equal((await q.getJobLogs(late.id)).count, 0);
  await w.close();
});

test("repeated jobs and a limited rate", async () => {
  const q = queue("repeats");
  await q.upsertJobScheduler("tick", { every: 100 }, { name: "tick" });
  let ticks = 0;
  const w = worker("repeats", async () => void ticks++);
  await until("three ticks", () => ticks >= 3);
  assert.equal((await q.getJobSchedulers()).length, 1);
  assert.equal(await q.removeJobScheduler("tick"), true);
  await w.close();

  const limited = queue("limited");
  await limited.addBulk(Array.from({ length: 6 }, (_, i) => ({ name: "job", data: { i } })));
  const at = [];
  const slow = worker("limited", async () => void at.push(Date.now()), { limiter: { max: 2, duration: 200 }, concurrency: 6 });
  await until("six jobs", () => at.length === 6);
  assert.ok(at[5] - at[0] >= 350, `six jobs at two in 200 ms took ${at[5] - at[0]} ms`);
  await slow.close();
});

test("a flow: the parent runs after its children and sees their results", async () => {
  const flow = keep(new FlowProducer({ connection, prefix }));
  const tree = await flow.add({
    name: "sum",
    queueName: "parents",
    children: Array.from({ length: 10 }, (_, n) => ({ name: "n", data: { n }, queueName: "children" })),
  });
  const sums = [];
  const children = worker("children", async (job) => job.data.n, { concurrency: 4 });
  const parents = worker("parents", async (job) => {
    const values = Object.values(await job.getChildrenValues());
    sums.push([values.length, values.reduce((a, b) => a + b, 0)]);
  });
  await until("the parent", () => tree.job.isCompleted());
  assert.deepEqual(sums, [[10, 45]]);
  await Promise.all([children.close(), parents.close()]);
});

test("no job is lost when the queue's primary is killed", async () => {
  const q = queue("failover");
  const ran = new Map();
  const workers = [1, 2].map(() =>
    worker(
      "failover",
      async (job) => {
        await sleep(5);
        ran.set(job.data.i, (ran.get(job.data.i) ?? 0) + 1);
        if (job.data.i % 10 === 3 && job.attemptsMade === 0) throw new Error("once more");
        return job.data.i;
      },
      { concurrency: 5, lockDuration: 3000, stalledInterval: 1000, maxStalledCount: 5 },
    ),
  );
  const added = (async () => {
    for (let i = 0; i < JOBS; i++) {
      const opts = { jobId: `job-${i}`, attempts: 5, backoff: 50, delay: i % 5 === 0 ? 100 : 0, priority: i % 7 };
      // A job's ID makes adding it twice the same as adding it once.
      await until(`adding job ${i}`, () => q.add("job", { i }, opts).then(() => true, () => false));
    }
  })();
  await until("some jobs", () => ran.size > JOBS / 5);
  await request("kill", prefix);
  await added;
  await until("all jobs", async () => (await q.getCompletedCount().catch(() => 0)) === JOBS, 40_000);
  assert.equal(ran.size, JOBS);
  const counts = await q.getJobCounts("waiting", "prioritized", "active", "delayed", "failed");
  assert.deepEqual(counts, { waiting: 0, prioritized: 0, active: 0, delayed: 0, failed: 0 });
  const results = (await q.getCompleted(0, -1)).map((job) => job.returnvalue).sort((a, b) => a - b);
  assert.deepEqual(results, Array.from({ length: JOBS }, (_, i) => i));
  await request("start");
  await Promise.all(workers.map((w) => w.close()));
});

await run(() => Promise.race([Promise.all(open.map((x) => x.close().catch(() => {}))), sleep(2000)]));
