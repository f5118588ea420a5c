// node-redis against a standalone node or a cluster.

import assert from "node:assert/strict";
import { createClient, createCluster, ErrorReply, RESP_TYPES, WatchError } from "redis";
import { cluster, nodes, test, onlyStandalone, onlyCluster, until, run } from "./tap.mjs";

const url = ({ host, port }) => `redis://${host}:${port}`;
const quiet = (client) => client.on("error", () => {}); // told by the command that fails

async function connect(more = {}) {
  const client = cluster
    ? createCluster({ rootNodes: nodes.map((n) => ({ url: url(n) })), ...more })
    : createClient({ url: url(nodes[0]), name: "node-redis-test", ...more });
  return quiet(client).connect();
}

const r = await connect({ RESP: 3 });
const flat = await connect({ RESP: 2 });
const direct = await Promise.all(nodes.map((n) => quiet(createClient({ url: url(n) })).connect()));
const k = (name) => `{nr}${name}`;

async function blocked() {
  const infos = await Promise.all(direct.map((n) => n.info("clients")));
  return infos.reduce((sum, text) => sum + Number(/^blocked_clients:(\d+)/m.exec(text)[1]), 0);
}

for (const [version, c] of [[3, r], [2, flat]]) {
  const on = (name, f) => test(`RESP${version}: ${name}`, f);

  on("strings are binary safe", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    assert.equal(await c.set(k("bin"), bytes), "OK");
    const raw = c.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    assert.deepEqual(await raw.get(k("bin")), bytes);
    assert.equal(await c.get(k("missing")), null);
    assert.equal(await c.set(k("bin"), "x", { condition: "NX" }), null);
    assert.equal(await c.setRange(k("pad"), 4, "x"), 5);
    assert.equal(await c.get(k("pad")), "\0\0\0\0x");
    assert.equal(await c.setBit(k("bits"), 9, 1), 0);
    assert.equal(await c.bitCount(k("bits")), 1);
    await c.del([k("pad"), k("bits")]);
  });

  on("expiry", async () => {
    await c.set(k("ttl"), "v", { expiration: { type: "EX", value: 100 } });
    assert.ok([99, 100].includes(await c.ttl(k("ttl"))));
    assert.equal(await c.getEx(k("ttl"), { type: "PERSIST" }), "v");
    assert.equal(await c.ttl(k("ttl")), -1);
    await c.pExpire(k("ttl"), 5);
    await until("the key to expire", async () => (await c.exists(k("ttl"))) === 0);
  });

  on("hashes", async () => {
    await c.del(k("h"));
    assert.equal(await c.hSet(k("h"), { a: "1", b: "two" }), 2);
    assert.deepEqual({ ...(await c.hGetAll(k("h"))) }, { a: "1", b: "two" });
    assert.deepEqual((await c.hRandFieldCountWithValues(k("h"), 2)).map((e) => `${e.field}=${e.value}`).sort(), ["a=1", "b=two"]);
    const seen = {};
    for await (const page of scanHash(c, k("h"))) for (const { field, value } of page) seen[field] = value;
    assert.deepEqual(seen, { a: "1", b: "two" });
  });

  on("hash fields expire", async () => {
    await c.hSet(k("hx"), { stay: "1", go: "2" });
    assert.deepEqual(await c.hpExpire(k("hx"), ["go", "absent"], 5), [1, -2]);
    await until("the field to expire", async () => (await c.hLen(k("hx"))) === 1);
    assert.deepEqual(await c.hKeys(k("hx")), ["stay"]);
    assert.deepEqual(await c.hTTL(k("hx"), "stay"), [-1]);
  });

  on("sorted sets", async () => {
    await c.del(k("z"));
    await c.zAdd(k("z"), [{ score: 1.5, value: "a" }, { score: Infinity, value: "z" }, { score: -2, value: "m" }]);
    assert.deepEqual(await c.zRangeWithScores(k("z"), 0, -1), [
      { value: "m", score: -2 },
      { value: "a", score: 1.5 },
      { value: "z", score: Infinity },
    ]);
    assert.equal(await c.zScore(k("z"), "a"), 1.5);
    assert.deepEqual(await c.zmScore(k("z"), ["a", "none"]), [1.5, null]);
    assert.deepEqual(await c.zPopMin(k("z")), { value: "m", score: -2 });
    assert.equal(await c.zIncrBy(k("z"), 1, "a"), 2.5);
  });

  on("sets and lists", async () => {
    await c.del([k("s1"), k("s2"), k("l")]);
    await c.sAdd(k("s1"), ["a", "b", "c"]);
    await c.sAdd(k("s2"), ["b", "d"]);
    assert.deepEqual([...(await c.sDiff([k("s1"), k("s2")]))].sort(), ["a", "c"]);
    assert.equal(Number(await c.sIsMember(k("s1"), "a")), 1);
    await c.rPush(k("l"), ["1", "2", "3"]);
    assert.deepEqual(await c.lRange(k("l"), 0, -1), ["1", "2", "3"]);
    assert.deepEqual(await c.lmPop([k("none"), k("l")], "RIGHT", { COUNT: 2 }), [k("l"), ["3", "2"]]);
  });

  on("geo", async () => {
    await c.del(k("g"));
    await c.geoAdd(k("g"), [
      { longitude: 13.361389, latitude: 38.115556, member: "Palermo" },
      { longitude: 15.087269, latitude: 37.502669, member: "Catania" },
    ]);
    assert.equal(Number(await c.geoDist(k("g"), "Palermo", "Catania", "km")), 166.2742);
    const [found] = await c.geoSearchWith(k("g"), { longitude: 15, latitude: 37 }, { radius: 100, unit: "km" }, ["WITHDIST", "WITHCOORD"]);
    assert.equal(found.member, "Catania");
    assert.equal(Number(found.distance), 56.4413);
    assert.ok(Math.abs(Number(found.coordinates.longitude) - 15.087269) < 1e-5);
  });

  on("many commands at once are one pipeline", async () => {
    await Promise.all(Array.from({ length: 1000 }, (_, i) => c.set(k(`p${i}`), `${i}`)));
    const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => c.get(k(`p${i}`))));
    assert.deepEqual(values, values.map((_, i) => `${i}`));
  });

  on("transactions", async () => {
    await c.set(k("t"), "text");
    assert.deepEqual(await c.multi().set(k("t1"), "1").incr(k("t1")).get(k("t1")).exec(), ["OK", 2, "2"]);
    const err = await c.multi().set(k("t1"), "5").lPush(k("t"), "x").incr(k("t1")).exec().then(() => null, (e) => e);
    assert.equal(err.constructor.name, "MultiErrorReply");
    assert.deepEqual(err.errorIndexes, [1]);
    assert.match(err.replies[1].message, /^WRONGTYPE /);
    assert.equal(await c.get(k("t1")), "6"); // the others ran
  });

  on("errors", async () => {
    await c.set(k("str"), "v");
    const err = await c.hGet(k("str"), "f").then(() => null, (e) => e);
    assert.ok(err instanceof ErrorReply);
    assert.equal(err.message, "WRONGTYPE Operation against a key holding the wrong kind of value");
    assert.equal(await c.get(k("str")), "v");
  });

  on("streams and groups", async () => {
    await c.del(k("st"));
    await c.xGroupCreate(k("st"), "g", "$", { MKSTREAM: true });
    const id = await c.xAdd(k("st"), "*", { f: "1" });
    const first = await c.xReadGroup("g", "me", { key: k("st"), id: ">" }, { COUNT: 10 });
    assert.equal(first[0].name, k("st"));
    assert.equal(first[0].messages[0].id, id);
    assert.deepEqual({ ...first[0].messages[0].message }, { f: "1" });
    assert.equal((await c.xPending(k("st"), "g")).pending, 1);
    const claimed = await c.xAutoClaim(k("st"), "g", "you", 0, "0");
    assert.equal(claimed.messages[0].id, id);
    assert.equal(await c.xAck(k("st"), "g", id), 1);
    const info = await c.xInfoStream(k("st"));
    assert.equal(info.length, 1);
    assert.equal(info["entries-added"], 1);
    assert.deepEqual((await c.xInfoGroups(k("st"))).map((g) => [g.name, g.pending, g.lag]), [["g", 0, 0]]);
    assert.equal(await c.xRead({ key: k("st"), id }), null);
  });

  on("blocking pops", async () => {
    await c.del([k("q1"), k("q2")]);
    const other = await connect({ RESP: version });
    const pop = other.blPop([k("q1"), k("q2")], 10);
    await until("the client to wait", async () => (await blocked()) > 0);
    await c.rPush(k("q2"), "job");
    assert.deepEqual({ ...(await pop) }, { key: k("q2"), element: "job" });
    assert.equal(await other.blPop(k("q1"), 0.01), null);
    other.destroy();
  });

  on("scripts", async () => {
    assert.equal(await c.eval("return ARGV[1] + #KEYS", { keys: [k("sc")], arguments: ["41"] }), 42);
    await assert.rejects(c.evalSha("0".repeat(40), { keys: [k("sc")], arguments: [] }), /NOSCRIPT/);
    assert.deepEqual(
      await c.eval("redis.call('HSET', KEYS[1], 'a', 1); return redis.call('HGETALL', KEYS[1])", { keys: [k("sch")], arguments: [] }),
      ["a", "1"],
    );
  });

  on("functions", async () => {
    const lib = "#!lua name=nodelib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)";
    await direct[0].functionLoad(lib, { REPLACE: true });
    await until("the function on every node", async () =>
      (await Promise.all(direct.map((n) => n.functionList()))).every((l) => l.some((e) => e.library_name === "nodelib")));
    assert.equal(await c.fCall("twice", { keys: [k("fn")], arguments: ["21"] }), 42);
  });
}

async function* scanHash(c, key) {
  let cursor = "0";
  do {
    const page = await c.hScan(key, cursor, { COUNT: 10 });
    cursor = page.cursor;
    yield page.entries;
  } while (String(cursor) !== "0");
}

test("the client names itself and its library", async () => {
  assert.match(await direct[0].info("server"), /^redis_version:7\./m);
  if (!cluster) assert.equal((await r.clientInfo()).name, "node-redis-test");
});

test("publish and subscribe, with RESP3 on the same connection", async () => {
  const sub = await connect({ RESP: 3 });
  const got = [];
  await sub.subscribe("nr-news", (message, channel) => got.push([channel, message]));
  await sub.pSubscribe("nr-*s", (message, channel) => got.push(["p", channel, message]));
  await r.publish("nr-news", "hello");
  await until("two messages", () => got.length >= 2);
  assert.deepEqual(got.sort(), [["nr-news", "hello"], ["p", "nr-news", "hello"]]);
  await sub.set(k("while"), "subscribed");
  assert.equal(await sub.get(k("while")), "subscribed");
  await sub.unsubscribe("nr-news");
  await sub.pUnsubscribe();
  sub.destroy();
});

test("sharded publish and subscribe", async () => {
  const sub = await connect();
  const got = [];
  await sub.sSubscribe("nr-orders", (message, channel) => got.push([channel, message]));
  assert.equal(await r.sPublish("nr-orders", "one"), 1);
  await until("the message", () => got.length === 1);
  assert.deepEqual(got, [["nr-orders", "one"]]);
  sub.destroy();
});

onlyStandalone("client side caching", async () => {
  const cached = await connect({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: "LRU" } });
  await r.set("csc", "1");
  assert.equal(await cached.get("csc"), "1");
  const before = /cmdstat_get:calls=(\d+)/.exec(await r.info("commandstats"))[1];
  for (let i = 0; i < 10; i++) assert.equal(await cached.get("csc"), "1");
  assert.equal(/cmdstat_get:calls=(\d+)/.exec(await r.info("commandstats"))[1], before, "reads that the cache should have answered");
  await r.set("csc", "2");
  await until("the invalidation", async () => (await cached.get("csc")) === "2");
  await r.set("csc", "3", { expiration: { type: "PX", value: 20 } });
  await until("the invalidation of the expired key", async () => (await cached.get("csc")) === null);
  await r.set("csc", "4");
  await until("the value", async () => (await cached.get("csc")) === "4");
  await r.flushDb();
  await until("the invalidation by FLUSHDB", async () => (await cached.get("csc")) === null);
  cached.destroy();
});

onlyStandalone("WATCH", async () => {
  const own = await connect();
  await own.set("w", "1");
  await own.watch("w");
  await r.set("w", "2");
  await assert.rejects(own.multi().set("w", "3").exec(), WatchError);
  await own.watch("w");
  assert.deepEqual(await own.multi().incr("w").exec(), [3]);
  own.destroy();
});

onlyStandalone("a lost connection is made again, with database and name", async () => {
  const own = await connect({ database: 2, name: "phoenix" });
  await own.set("kept", "v");
  const id = await own.clientId();
  assert.equal(Number(await r.sendCommand(["CLIENT", "KILL", "ID", String(id)])), 1);
  await until("the connection", () => own.get("kept").then((v) => v === "v", () => false));
  assert.notEqual(await own.clientId(), id);
  assert.equal((await own.clientInfo()).name, "phoenix");
  own.destroy();
});

onlyStandalone("scan of the keyspace", async () => {
  await r.mSet(Array.from({ length: 2000 }, (_, i) => [`walk:${i}`, `${i}`]));
  const seen = new Set();
  for await (const part of r.scanIterator({ MATCH: "walk:*", COUNT: 100, TYPE: "string" })) part.forEach((key) => seen.add(key));
  assert.equal(seen.size, 2000);
});

onlyStandalone("ACL users", async () => {
  await r.sendCommand(["ACL", "SETUSER", "reader", "on", ">secret", "~public:*", "+@read"]);
  const own = await connect({ username: "reader", password: "secret" });
  assert.equal(await own.get("public:x"), null);
  await assert.rejects(own.get("private"), /^Error: NOPERM|NOPERM/);
  await assert.rejects(own.set("public:x", "1"), /NOPERM/);
  await assert.rejects(connect({ username: "reader", password: "wrong", socket: { reconnectStrategy: false } }), /WRONGPASS/);
  own.destroy();
  await r.sendCommand(["ACL", "DELUSER", "reader"]);
});

onlyStandalone("a pool of connections", async () => {
  const { createClientPool } = await import("redis");
  const pool = await quiet(createClientPool({ url: url(nodes[0]) }, { minimum: 2, maximum: 8 })).connect();
  const replies = await Promise.all(Array.from({ length: 200 }, () => pool.incr("pooled")));
  assert.deepEqual(replies.sort((a, b) => a - b), Array.from({ length: 200 }, (_, i) => i + 1));
  pool.destroy();
});

onlyCluster("keys of many slots, and a scan of all primaries", async () => {
  await Promise.all(Array.from({ length: 500 }, (_, i) => r.set(`nr:${i}`, `${i}`)));
  const values = await Promise.all(Array.from({ length: 500 }, (_, i) => r.get(`nr:${i}`)));
  assert.deepEqual(values, values.map((_, i) => `${i}`));
  const seen = new Set();
  for (const master of r.masters) {
    const node = await r.nodeClient(master);
    for await (const part of node.scanIterator({ MATCH: "nr:*", COUNT: 100 })) part.forEach((key) => assert.ok(!seen.has(key)) ?? seen.add(key));
  }
  assert.equal(seen.size, 500);
});

onlyCluster("reads from replicas", async () => {
  const replicas = await connect({ useReplicas: true });
  await Promise.all(Array.from({ length: 50 }, (_, i) => r.set(`rep:${i}`, `${i}`)));
  for (let i = 0; i < 50; i++) await until(`rep:${i}`, async () => (await replicas.get(`rep:${i}`)) === `${i}`);
  replicas.destroy();
});

onlyCluster("a planned failover under writes loses none and is followed", async () => {
  const slot = Number(await direct[0].sendCommand(["CLUSTER", "KEYSLOT", "nr-moved"]));
  const owners = async () => (await direct[0].clusterSlots()).find((s) => s.from <= slot && slot <= s.to);
  const before = await owners();
  const replica = direct.find((c, i) => nodes[i].port === before.replicas[0].port);
  await r.del("nr-moved");
  let written = 0;
  let stop = false;
  const writer = (async () => {
    while (!stop) {
      await r.rPush("nr-moved", String(written));
      written++;
    }
  })();
  await until("some writes", () => written > 50);
  assert.equal(await replica.sendCommand(["CLUSTER", "FAILOVER"]), "OK");
  await until("the new primary", async () => (await owners()).master.id !== before.master.id);
  const at = written;
  await until("writes after it", () => written > at + 50);
  stop = true;
  await writer;
  assert.deepEqual(await r.lRange("nr-moved", 0, -1), Array.from({ length: written }, (_, i) => String(i)));
});

await run(() => [r, flat, ...direct].forEach((c) => c.destroy()));
