// ioredis against a standalone node or a cluster.

import assert from "node:assert/strict";
import { Redis, Cluster, ReplyError } from "ioredis";
import { cluster, nodes, test, onlyStandalone, onlyCluster, until, run } from "./tap.mjs";

const options = { connectionName: "ioredis-test" };
const single = (more) => new Redis({ ...nodes[0], ...options, ...more });
const connect = (more) =>
  cluster
    ? new Cluster(nodes, { redisOptions: { ...options, ...more } })
    : single({ enableAutoPipelining: false, ...more });

const r = connect();
const flat = connect({ protocol: 2 });
const k = (name) => `{io}${name}`;

for (const [version, c] of [[3, r], [2, flat]]) {
  const on = (name, f) => test(`RESP${version}: ${name}`, f);

  on("strings are binary safe", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    assert.equal(await c.set(k("bin"), bytes), "OK");
    assert.deepEqual(await c.getBuffer(k("bin")), bytes);
    assert.equal(await c.strlen(k("bin")), 256);
    assert.deepEqual(await c.getrangeBuffer(k("bin"), 13, 10), Buffer.alloc(0));
    const big = Buffer.alloc(3 << 20, 0xd2);
    await c.set(k("big"), big);
    assert.ok((await c.getBuffer(k("big"))).equals(big));
    assert.equal(await c.get(k("missing")), null);
    assert.equal(await c.set(k("bin"), "x", "NX"), null);
    assert.equal(await c.set(k("bin"), "y", "PX", 50_000, "GET"), bytes.toString());
  });

  on("numbers", async () => {
    await c.set(k("n"), "9007199254740000");
    assert.equal(await c.incr(k("n")), 9007199254740001);
    assert.equal(await c.incrbyfloat(k("f"), 2.5), "2.5");
    await assert.rejects(c.incr(k("f")), { message: "ERR value is not an integer or out of range" });
    await c.del(k("f"));
  });

  on("expiry", async () => {
    await c.set(k("ttl"), "v", "EX", 100);
    assert.ok([99, 100].includes(await c.ttl(k("ttl"))));
    assert.equal(await c.persist(k("ttl")), 1);
    assert.equal(await c.ttl(k("ttl")), -1);
    assert.equal(await c.pexpire(k("ttl"), 5), 1);
    await until("the key to expire", async () => (await c.exists(k("ttl"))) === 0);
    assert.equal(await c.ttl(k("ttl")), -2);
  });

  on("hashes", async () => {
    await c.del(k("h"));
    assert.equal(await c.hset(k("h"), { a: 1, b: "two", "": "empty" }), 3);
    assert.deepEqual(await c.hgetall(k("h")), { a: "1", b: "two", "": "empty" });
    assert.deepEqual(await c.hmget(k("h"), "b", "zz"), ["two", null]);
    assert.equal(await c.hincrby(k("h"), "a", 41), 42);
    assert.deepEqual(await c.hgetall(k("nohash")), {});
  });

  on("hash fields expire", async () => {
    await c.hset(k("hx"), "stay", "1", "go", "2");
    assert.deepEqual(await c.call("HPEXPIRE", k("hx"), "5", "FIELDS", "2", "go", "absent"), [1, -2]);
    await until("the field to expire", async () => (await c.hlen(k("hx"))) === 1);
    assert.deepEqual(await c.hkeys(k("hx")), ["stay"]);
  });

  on("sorted sets", async () => {
    await c.del(k("z"));
    assert.equal(await c.zadd(k("z"), 1, "a", 2.5, "b", "-inf", "c"), 3);
    const score = await c.zscore(k("z"), "b");
    assert.equal(Number(score), 2.5);
    assert.deepEqual((await c.zrange(k("z"), 0, -1, "WITHSCORES")).flat().map(String).filter((_, i) => i % 2 === 0), ["c", "a", "b"]);
    assert.deepEqual(await c.zrangebyscore(k("z"), "(1", "+inf"), ["b"]);
    assert.equal(await c.zincrby(k("z"), 1, "a").then(Number), 2);
    assert.equal(await c.zrank(k("z"), "nobody"), null);
  });

  on("sets and lists", async () => {
    await c.del(k("s1"), k("s2"), k("l"));
    await c.sadd(k("s1"), "a", "b", "c");
    await c.sadd(k("s2"), "b", "c", "d");
    assert.deepEqual((await c.sinter(k("s1"), k("s2"))).sort(), ["b", "c"]);
    assert.deepEqual(await c.smismember(k("s1"), "a", "z"), [1, 0]);
    assert.equal(await c.rpush(k("l"), 1, 2, 3), 3);
    assert.deepEqual(await c.lrange(k("l"), 0, -1), ["1", "2", "3"]);
    assert.equal(await c.lmove(k("l"), k("l"), "LEFT", "RIGHT"), "1");
    assert.deepEqual(await c.lpos(k("l"), "1", "COUNT", 0), [2]);
  });

  on("geo", async () => {
    await c.del(k("g"));
    await c.geoadd(k("g"), 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania");
    assert.equal(Number(await c.geodist(k("g"), "Palermo", "Catania", "km")), 166.2742);
    assert.deepEqual(await c.geosearch(k("g"), "FROMLONLAT", 15, 37, "BYRADIUS", 100, "km"), ["Catania"]);
    const [[lon]] = await c.geopos(k("g"), "Palermo");
    assert.ok(Math.abs(Number(lon) - 13.361389) < 1e-5);
  });

  on("pipelines", async () => {
    const p = c.pipeline();
    for (let i = 0; i < 500; i++) p.set(k(`p${i}`), i).get(k(`p${i}`));
    p.lpush(k("p0"), "x");
    const replies = await p.exec();
    assert.equal(replies.length, 1001);
    for (let i = 0; i < 500; i++) assert.deepEqual(replies[2 * i + 1], [null, String(i)]);
    assert.ok(replies[1000][0] instanceof ReplyError);
    assert.match(replies[1000][0].message, /^WRONGTYPE /);
  });

  on("transactions", async () => {
    await c.set(k("t"), "text");
    const replies = await c.multi().set(k("t1"), 1).incr(k("t1")).hset(k("t"), "f", "v").get(k("t1")).exec();
    assert.deepEqual(replies.map(([, value]) => value), ["OK", 2, undefined, "2"]);
    assert.match(replies[2][0].message, /^WRONGTYPE /);
    await assert.rejects(c.multi().set(k("t1"), 7).call("INCR", k("t1"), "surplus").exec(), /EXECABORT/);
    assert.equal(await c.get(k("t1")), "2");
  });

  on("errors keep their code and the connection", async () => {
    await c.set(k("str"), "v");
    const err = await c.lpush(k("str"), "x").then(() => null, (e) => e);
    assert.ok(err instanceof ReplyError);
    assert.equal(err.message, "WRONGTYPE Operation against a key holding the wrong kind of value");
    await assert.rejects(c.call("NOSUCH", k("str")), /ERR unknown command 'NOSUCH'/i);
    assert.equal(await c.get(k("str")), "v");
  });

  on("streams and groups", async () => {
    await c.del(k("st"));
    await c.xgroup("CREATE", k("st"), "g", "$", "MKSTREAM");
    const id = await c.xadd(k("st"), "*", "f", "1");
    await c.xadd(k("st"), "MAXLEN", "~", "1000", "*", "f", "2");
    const items = (reply) => (Array.isArray(reply) ? reply[0][1] : Object.values(reply)[0]);
    const read = items(await c.xreadgroup("GROUP", "g", "me", "COUNT", 1, "STREAMS", k("st"), ">"));
    assert.deepEqual(read, [[id, ["f", "1"]]]);
    assert.deepEqual((await c.xpending(k("st"), "g"))[0], 1);
    assert.deepEqual(await c.xautoclaim(k("st"), "g", "you", 0, "0"), ["0-0", [[id, ["f", "1"]]], []]);
    assert.equal(await c.xack(k("st"), "g", id), 1);
    const other = c.duplicate();
    const waiting = other.xread("BLOCK", 10_000, "STREAMS", k("st"), "$");
    await until("the reader to wait", async () => (await blocked()) > 0);
    const last = await c.xadd(k("st"), "*", "f", "3");
    assert.deepEqual(items(await waiting), [[last, ["f", "3"]]]);
    other.disconnect();
  });

  on("blocking pops", async () => {
    await c.del(k("q1"), k("q2"));
    const other = c.duplicate();
    const pop = other.blpop(k("q1"), k("q2"), 10);
    await until("the client to wait", async () => (await blocked()) > 0);
    await c.rpush(k("q2"), "job");
    assert.deepEqual(await pop, [k("q2"), "job"]);
    assert.equal(await other.blpop(k("q1"), 0.01), null);
    await c.zadd(k("zq"), 3, "m");
    assert.deepEqual((await other.bzpopmin(k("zq"), 1)).map(String), [k("zq"), "m", "3"]);
    other.disconnect();
  });

  on("scripts", async () => {
    const own = connect({ protocol: version });
    own.defineCommand("swap", {
      numberOfKeys: 1,
      lua: `local old = redis.call('GET', KEYS[1]); redis.call('SET', KEYS[1], ARGV[1]); return {old, #ARGV}`,
    });
    await own.del(k("sc"));
    assert.deepEqual(await own.swap(k("sc"), "1"), [null, 1]); // NOSCRIPT, then EVAL
    assert.deepEqual(await own.swap(k("sc"), "2"), ["1", 1]); // EVALSHA
    await assert.rejects(own.evalsha("0".repeat(40), 1, k("sc")), /^ReplyError: NOSCRIPT /);
    await assert.rejects(own.eval("return redis.call('LPUSH', KEYS[1], 'x')", 1, k("sc")), /WRONGTYPE/);
    assert.equal(await own.eval("return redis.error_reply('MY error')", 0).catch((e) => e.message), "MY error");
    own.disconnect();
  });

  on("scans", async () => {
    const members = Array.from({ length: 1000 }, (_, i) => `m${i}`);
    await c.sadd(k("scan"), ...members);
    const seen = new Set();
    let cursor = "0";
    do {
      const [next, part] = await c.sscan(k("scan"), cursor, "COUNT", 100);
      part.forEach((m) => seen.add(m));
      cursor = next;
    } while (cursor !== "0");
    assert.equal(seen.size, 1000);
  });
}

// blocked counts clients that wait in a blocking command, on all nodes.
async function blocked() {
  const all = cluster ? r.nodes("all") : [r];
  const infos = await Promise.all(all.map((n) => n.info("clients")));
  return infos.reduce((sum, text) => sum + Number(/^blocked_clients:(\d+)/m.exec(text)[1]), 0);
}

test("RESP3 types", async () => {
  const c = connect({ protocol: 3, replyMapping: "resp3" });
  await c.del(k("h3"), k("z3"));
  await c.hset(k("h3"), "a", "1");
  await c.zadd(k("z3"), 1.5, "m", "inf", "n");
  assert.deepEqual({ ...(await c.hgetall(k("h3"))) }, { a: "1" });
  assert.equal(await c.zscore(k("z3"), "m"), 1.5);
  assert.deepEqual(await c.zrange(k("z3"), 0, -1, "WITHSCORES"), [["m", 1.5], ["n", Infinity]]);
  assert.deepEqual({ ...(await c.call("CONFIG", "GET", "maxmemory-policy")) }, { "maxmemory-policy": "noeviction" });
  c.disconnect();
});

test("publish and subscribe", async () => {
  const sub = connect();
  const got = [];
  sub.on("message", (channel, message) => got.push([channel, message]));
  sub.on("pmessage", (pattern, channel, message) => got.push([pattern, channel, message]));
  assert.equal(await sub.subscribe("news", "other"), 2);
  assert.equal(await sub.psubscribe("n*s"), 3);
  await r.publish("news", "hello");
  await until("two messages", () => got.length >= 2);
  assert.deepEqual(got.sort(), [["n*s", "news", "hello"], ["news", "hello"]]);
  await sub.unsubscribe("news", "other");
  await sub.punsubscribe();
  await r.publish("news", "late");
  assert.equal(got.length, 2);
  sub.disconnect();
});

test("a lost connection is made again", async () => {
  const c = connect({ connectionName: "victim" });
  await c.set(k("before"), "1");
  const subscriber = connect({ connectionName: "victim-sub" });
  const got = [];
  subscriber.on("message", (_, message) => got.push(message));
  await subscriber.subscribe("again");
  const killed = (await Promise.all(
    (cluster ? r.nodes("all") : [r]).map(async (n) => {
      const list = (await n.client("LIST")).split("\n").filter((l) => / name=\S*victim/.test(l));
      const ids = list.map((l) => /^id=(\d+)/.exec(l)[1]);
      return Promise.all(ids.map((id) => n.client("KILL", "ID", id)));
    }),
  )).flat();
  assert.ok(killed.length >= 2, `${killed.length} connections found`);
  assert.ok(killed.every((n) => n === 1));
  await until("the connection", () => c.get(k("before")).then((v) => v === "1", () => false));
  await until("the subscription", async () => {
    await r.publish("again", "m");
    return got.length > 0;
  });
  c.disconnect();
  subscriber.disconnect();
});

test("a hundred clients at once, each with its own answers", async () => {
  const clients = Array.from({ length: cluster ? 10 : 100 }, () => connect());
  await Promise.all(
    clients.map(async (c, i) => {
      for (let n = 0; n < 20; n++) {
        await c.set(k(`many${i}`), n);
        assert.equal(await c.get(k(`many${i}`)), String(n));
      }
      c.disconnect();
    }),
  );
});

onlyStandalone("the client names itself", async () => {
  assert.match(await r.client("INFO"), / name=ioredis-test /);
  assert.match(await r.info("server"), /^redis_version:7\./m);
  assert.ok((await r.command("COUNT")) > 200);
});

onlyStandalone("WATCH", async () => {
  const own = single();
  await own.set("w", 1);
  await own.watch("w");
  await r.set("w", 2);
  assert.equal(await own.multi().set("w", 3).exec(), null);
  await own.watch("w");
  assert.deepEqual(await own.multi().incr("w").exec(), [[null, 3]]);
  own.disconnect();
});

onlyStandalone("databases, and the selected one after a reconnect", async () => {
  const own = single({ db: 3 });
  await own.set("in3", "v");
  assert.equal(await r.get("in3"), null);
  await r.client("KILL", "ID", await own.client("ID"));
  await until("the connection", () => own.get("in3").then((v) => v === "v", () => false));
  own.disconnect();
});

onlyStandalone("scan of the keyspace", async () => {
  const pipeline = r.pipeline();
  for (let i = 0; i < 2000; i++) pipeline.set(`walk:${i}`, i);
  await pipeline.exec();
  const seen = new Set();
  for await (const part of r.scanStream({ match: "walk:*", count: 100 })) part.forEach((key) => seen.add(key));
  assert.equal(seen.size, 2000);
});

onlyStandalone("keyspace notifications", async () => {
  const sub = single();
  await r.config("SET", "notify-keyspace-events", "KEA");
  const got = [];
  sub.on("pmessage", (_, channel, message) => got.push(`${channel} ${message}`));
  await sub.psubscribe("__keyevent@0__:*");
  await r.set("noted", "v", "PX", 5);
  await until("the expired event", () => got.includes("__keyevent@0__:expired noted"));
  assert.equal(got[0], "__keyevent@0__:set noted");
  await r.config("SET", "notify-keyspace-events", "");
  sub.disconnect();
});

onlyStandalone("MONITOR", async () => {
  const own = single();
  // ioredis takes a line of MONITOR that comes right after its OK for a reply to
  // nothing: the INFO that this connection begins with must be over.
  await own.ping();
  const monitor = await own.monitor();
  const got = [];
  monitor.on("monitor", (_, args) => got.push(args));
  await r.set("mon", "1");
  await until("the line", () => got.some((a) => a.join(" ") === "set mon 1"));
  monitor.disconnect();
  own.disconnect();
});

onlyCluster("keys of many slots, through the right nodes", async () => {
  await Promise.all(Array.from({ length: 500 }, (_, i) => r.set(`many:${i}`, i)));
  const values = await Promise.all(Array.from({ length: 500 }, (_, i) => r.get(`many:${i}`)));
  assert.deepEqual(values, values.map((_, i) => String(i)));
  await assert.rejects(r.mget("many:1", "many:2"), /CROSSSLOT/);
});

onlyCluster("scan of all primaries", async () => {
  const seen = new Map();
  for (const node of r.nodes("master"))
    for await (const part of node.scanStream({ match: "many:*", count: 100 }))
      part.forEach((key) => seen.set(key, (seen.get(key) ?? 0) + 1));
  assert.equal(seen.size, 500);
});

onlyCluster("reads from replicas", async () => {
  const replicas = new Cluster(nodes, { scaleReads: "slave" });
  // ioredis sends READONLY to nodes that are no primary of any slot. Here each
  // node has both roles: it must be sent to all.
  replicas.on("+node", (node) => node.on("ready", () => node.readonly().catch(() => {})));
  await Promise.all(Array.from({ length: 50 }, (_, i) => r.set(`rep:${i}`, i)));
  for (let i = 0; i < 50; i++) await until(`rep:${i} on a replica`, async () => (await replicas.get(`rep:${i}`)) === String(i));
  replicas.disconnect();
});

onlyCluster("reads from replicas that need no READONLY", async () => {
  const name = "cluster.replica_reads_without_readonly";
  await r.config("SET", name, "yes");
  const direct = nodes.map((node) => new Redis(node));
  for (const node of direct) await until(`${name} on all nodes`, async () => (await node.config("GET", name))[1] === "yes");
  const replicas = new Cluster(nodes, { scaleReads: "slave" });
  await Promise.all(Array.from({ length: 50 }, (_, i) => r.set(`rep:${i}`, -i)));
  for (let i = 0; i < 50; i++) await until(`rep:${i} on a replica`, async () => (await replicas.get(`rep:${i}`)) === String(-i));
  replicas.disconnect();
  await r.config("SET", name, "no");
  for (const node of direct) {
    await until(`${name} as before`, async () => (await node.config("GET", name))[1] === "no");
    node.disconnect();
  }
});

onlyCluster("sharded publish and subscribe", async () => {
  const sub = new Cluster(nodes, { shardedSubscribers: true });
  const got = [];
  sub.on("smessage", (channel, message) => got.push([channel, message]));
  await sub.ssubscribe("orders");
  assert.equal(await r.spublish("orders", "one"), 1);
  await until("the message", () => got.length === 1);
  assert.deepEqual(got, [["orders", "one"]]);
  sub.disconnect();
});

onlyCluster("a planned failover under writes loses none and is followed", async () => {
  const slot = await r.cluster("KEYSLOT", "moved");
  const owners = async (c) => {
    const range = (await c.cluster("SLOTS")).find(([from, to]) => from <= slot && slot <= to);
    return range.slice(2).map(([host, port, id]) => ({ host, port, id }));
  };
  const before = await owners(r);
  const replica = new Redis({ host: before[1].host, port: before[1].port });
  await r.del("moved");
  let written = 0;
  let stop = false;
  const writer = (async () => {
    while (!stop) {
      await r.rpush("moved", written);
      written++;
    }
  })();
  await until("some writes", () => written > 50);
  assert.equal(await replica.cluster("FAILOVER"), "OK");
  await until("the new primary", async () => (await owners(replica))[0].id !== before[0].id);
  const at = written;
  await until("writes after it", () => written > at + 50);
  stop = true;
  await writer;
  assert.deepEqual(await r.lrange("moved", 0, -1), Array.from({ length: written }, (_, i) => String(i)));
  replica.disconnect();
});

await run(() => {
  r.disconnect();
  flat.disconnect();
});
