// ioredis and node-redis over TLS, against a cluster.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Redis, Cluster } from "ioredis";
import { createCluster } from "redis";
import { nodes, test, run } from "./tap.mjs";

const read = (name) => readFileSync(process.env[name]);
const tls = { ca: read("TLS_CA"), cert: read("TLS_CERT"), key: read("TLS_KEY") };
const keys = Array.from({ length: 30 }, (_, i) => `tls:${i}`);

test("ioredis", async () => {
  const c = new Cluster(nodes, { redisOptions: { tls } });
  for (const key of keys) assert.equal(await c.set(key, key), "OK");
  for (const key of keys) assert.equal(await c.get(key), key);
  c.disconnect();
});

test("ioredis does not trust everybody", async () => {
  const c = new Redis({ ...nodes[0], tls: { ...tls, ca: undefined }, retryStrategy: null, lazyConnect: true });
  const told = new Promise((resolve) => c.on("error", resolve));
  await assert.rejects(c.connect());
  assert.match(String((await told).code), /CERT|SIGNATURE|ISSUER/);
});

test("node-redis", async () => {
  const c = await createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ url: `rediss://${host}:${port}` })),
    defaults: { socket: { tls: true, ...tls } },
  }).connect();
  for (const key of keys) assert.equal(await c.set(key, key + "!"), "OK");
  for (const key of keys) assert.equal(await c.get(key), key + "!");
  c.destroy();
});

await run();
