// A web application on a standalone node: sessions with express-session and
// connect-redis, and limits with express-rate-limit and rate-limit-redis.

import assert from "node:assert/strict";
import { RedisStore as SessionStore } from "connect-redis";
import express from "express";
import { rateLimit } from "express-rate-limit";
import session from "express-session";
import { RedisStore as LimitStore } from "rate-limit-redis";
import { createClient } from "redis";
import { nodes, run, test, until } from "./tap.mjs";

const [{ host, port }] = nodes;
const client = await createClient({ url: `redis://${host}:${port}` }).on("error", () => {}).connect();

const app = express();
app.use(session({ store: new SessionStore({ client, ttl: 100 }), secret: "of this test", resave: false, saveUninitialized: false }));
app.get("/visit", (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.json(req.session.visits);
});
app.get("/leave", (req, res) => req.session.destroy(() => res.json("bye")));
const limited = (max, windowMs) =>
  rateLimit({ windowMs, limit: max, store: new LimitStore({ prefix: `limit${max}:`, sendCommand: (...args) => client.sendCommand(args) }) });
app.get("/five", limited(5, 60_000), (_, res) => res.json("fine"));
app.get("/one", limited(1, 300), (_, res) => res.json("fine"));
const server = await new Promise((resolve) => {
  const s = app.listen(0, "127.0.0.1", () => resolve(s));
});
const get = (path, cookie) => fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: cookie ? { cookie } : {} });

test("sessions are kept, renewed and destroyed", async () => {
  const first = await get("/visit");
  assert.equal(await first.json(), 1);
  const cookie = first.headers.get("set-cookie").split(";")[0];
  assert.equal(await (await get("/visit", cookie)).json(), 2);
  const [key] = await client.keys("sess:*");
  assert.equal(JSON.parse(await client.get(key)).visits, 2);
  assert.ok([99, 100].includes(await client.ttl(key)));
  assert.equal(await (await get("/visit")).json(), 1);
  assert.equal(await (await get("/leave", cookie)).json(), "bye");
  assert.equal(await client.exists(key), 0);
  assert.equal(await (await get("/visit", cookie)).json(), 1);
});

test("requests over the limit are refused, counted by a script", async () => {
  const codes = await Promise.all(Array.from({ length: 12 }, async () => (await get("/five")).status));
  assert.deepEqual(codes.sort(), [200, 200, 200, 200, 200, 429, 429, 429, 429, 429, 429, 429]);
});

test("a limit ends with its window, also after SCRIPT FLUSH", async () => {
  assert.equal((await get("/one")).status, 200);
  assert.equal((await get("/one")).status, 429);
  await client.scriptFlush();
  await until("the end of the window", async () => (await get("/one")).status === 200);
});

await run(() => {
  server.close();
  client.destroy();
});
