"""redis-py against a standalone node or a cluster."""

import logging
import threading

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import (ConnectionError, DataError, LockNotOwnedError, NoScriptError, RedisClusterException,
                              ResponseError, WatchError)

from tap import CLUSTER, NODES, equal, only_cluster, only_standalone, raises, run, test, until

logging.disable()  # redis-py logs each error reply of a cluster


def connect(**kw):
    if CLUSTER:
        return RedisCluster(startup_nodes=[ClusterNode(*n) for n in NODES], **kw)
    return redis.Redis(*NODES[0], client_name="redis-py-test", **kw)


r = connect()
text = connect(decode_responses=True)
direct = [redis.Redis(*n) for n in NODES]


def k(name):
    return "{py}" + name


def blocked():
    return sum(n.info("clients")["blocked_clients"] for n in direct)


@test
def strings_are_binary_safe():
    data = bytes(range(256))
    equal(r.set(k("bin"), data), True)
    equal(r.get(k("bin")), data)
    equal(r.get(k("missing")), None)
    equal(r.set(k("bin"), "x", nx=True), None)
    equal(r.set(k("bin"), "x", px=50000, get=True), data)
    equal(r.getrange(k("bin"), 0, -1), b"x")
    big = b"\xd2" * (3 << 20)
    r.set(k("big"), big)
    equal(r.get(k("big")), big)
    equal(text.append(k("bin"), "\u00fc\u4e2d"), 6)
    equal(text.get(k("bin")), "x\u00fc\u4e2d")


@test
def bits_and_counters():
    r.delete(k("bits"), k("n"), k("hll"))
    equal(r.bitfield(k("bits")).set("u8", 0, 200).incrby("u8", 0, 100).execute(), [0, 44])
    equal(r.bitcount(k("bits")), 3)
    equal(r.incrbyfloat(k("n"), 1.5), 1.5)
    r.pfadd(k("hll"), *range(1000))
    assert abs(r.pfcount(k("hll")) - 1000) < 30


@test
def expiry():
    r.set(k("ttl"), "v", ex=100)
    assert r.ttl(k("ttl")) in (99, 100)
    equal(r.persist(k("ttl")), True)
    equal(r.ttl(k("ttl")), -1)
    equal(r.pexpire(k("ttl"), 5), True)
    until("the key to expire", lambda: not r.exists(k("ttl")))


@test
def hashes():
    r.delete(k("h"))
    equal(r.hset(k("h"), mapping={"a": 1, "b": "two"}), 2)
    equal(r.hgetall(k("h")), {b"a": b"1", b"b": b"two"})
    equal(r.hincrbyfloat(k("h"), "a", 0.5), 1.5)
    equal(dict(r.hscan_iter(k("h"))), {b"a": b"1.5", b"b": b"two"})


@test
def hash_fields_expire():
    r.hset(k("hx"), mapping={"stay": 1, "go": 2})
    equal(r.execute_command("HPEXPIRE", k("hx"), 5, "FIELDS", 2, "go", "absent"), [1, -2])
    until("the field to expire", lambda: r.hlen(k("hx")) == 1)
    equal(r.hkeys(k("hx")), [b"stay"])


@test
def sorted_sets():
    r.delete(k("z"))
    equal(r.zadd(k("z"), {"a": 1.5, "m": -2, "z": float("inf")}), 3)
    equal(r.zrange(k("z"), 0, -1, withscores=True), [(b"m", -2.0), (b"a", 1.5), (b"z", float("inf"))])
    equal(r.zrangebyscore(k("z"), "(-2", 2), [b"a"])
    equal(r.zmscore(k("z"), ["a", "none"]), [1.5, None])
    equal(r.zpopmin(k("z")), [(b"m", -2.0)])
    equal([m for m, _ in r.zscan_iter(k("z"))], [b"a", b"z"])


@test
def sets_and_lists():
    r.delete(k("s1"), k("s2"), k("l"))
    r.sadd(k("s1"), "a", "b", "c")
    r.sadd(k("s2"), "b", "d")
    equal(r.sinter(k("s1"), k("s2")), {b"b"})
    equal(r.sintercard(2, [k("s1"), k("s2")]), 1)
    r.rpush(k("l"), *range(10))
    equal(r.lrange(k("l"), -2, -1), [b"8", b"9"])
    equal(r.linsert(k("l"), "BEFORE", "9", "8.5"), 11)
    equal(r.sort(k("l"), desc=True, start=0, num=2), [b"9", b"8.5"])


@test
def geo():
    r.delete(k("g"))
    r.geoadd(k("g"), (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    equal(r.geodist(k("g"), "Palermo", "Catania", "km"), 166.2742)
    equal(r.geohash(k("g"), "Palermo"), ["sqc8b49rny0"])
    equal(r.geosearch(k("g"), longitude=15, latitude=37, radius=200, unit="km", sort="ASC"), [b"Catania", b"Palermo"])


@test
def pipelines():
    p = r.pipeline(transaction=False)
    for i in range(500):
        p.set(k(f"p{i}"), i)
        p.get(k(f"p{i}"))
    replies = p.execute()
    equal(replies[1::2], [str(i).encode() for i in range(500)])
    p.set(k("str"), "v").lpush(k("str"), "x").get(k("str"))
    replies = p.execute(raise_on_error=False)
    equal(type(replies[1]), ResponseError)
    equal(replies[2], b"v")


@test
def errors():
    r.set(k("str"), "v")
    raises(ResponseError, "WRONGTYPE Operation against a key holding the wrong kind of value", r.lpush, k("str"), "x")
    raises(ResponseError, "value is not an integer or out of range", r.incr, k("str"))
    raises(ResponseError, "unknown command", direct[0].execute_command, "NOSUCH")
    raises(DataError, "Invalid input", r.set, k("str"), {})
    equal(r.get(k("str")), b"v")


@test
def streams_and_groups():
    r.delete(k("st"))
    equal(r.xgroup_create(k("st"), "g", id="$", mkstream=True), True)
    raises(ResponseError, "BUSYGROUP", r.xgroup_create, k("st"), "g")
    first = r.xadd(k("st"), {"f": 1}, maxlen=100)
    equal(r.xreadgroup("g", "me", {k("st"): ">"}), [[k("st").encode(), [(first, {b"f": b"1"})]]])
    equal(r.xpending(k("st"), "g")["pending"], 1)
    equal(r.xclaim(k("st"), "g", "you", 0, [first]), [(first, {b"f": b"1"})])
    equal(r.xack(k("st"), "g", first), 1)
    equal(r.xinfo_stream(k("st"))["length"], 1)
    equal(r.xinfo_groups(k("st"))[0]["last-delivered-id"], first)
    got = []
    reader = threading.Thread(target=lambda: got.extend(connect().xread({k("st"): "$"}, block=10000)))
    reader.start()
    until("the reader to wait", lambda: blocked() > 0)
    second = r.xadd(k("st"), {"f": 2})
    reader.join()
    equal(got, [[k("st").encode(), [(second, {b"f": b"2"})]]])


@test
def blocking_pops():
    r.delete(k("q1"), k("q2"))
    got = []
    waiter = threading.Thread(target=lambda: got.append(connect().blpop([k("q1"), k("q2")], timeout=10)))
    waiter.start()
    until("the client to wait", lambda: blocked() > 0)
    r.rpush(k("q2"), "job")
    waiter.join()
    equal(got, [(k("q2").encode(), b"job")])
    equal(r.blpop([k("q1")], timeout=0.01), None)
    r.rpush(k("q1"), "a")
    equal(r.blmove(k("q1"), k("q2"), 1), b"a")


@test
def scripts():
    r.set(k("sc"), 5)
    double = r.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, k("sc"), 37)
    equal(double, 42)
    if not CLUSTER:  # this version has no scripts by hash in a cluster
        script = r.register_script("return {KEYS[1], tonumber(ARGV[1]), false, {ok='fine'}}")
        r.script_flush()
        equal(script(keys=["key"], args=[7]), [b"key", 7, None, b"fine"])
        equal(script(keys=["key"], args=[8]), [b"key", 8, None, b"fine"])
        raises(NoScriptError, "No matching script", r.evalsha, "0" * 40, 0)
    raises(ResponseError, "boom", r.eval, "return redis.error_reply('boom')", 1, k("sc"))


@test
def publish_and_subscribe():
    sub = connect().pubsub()
    sub.subscribe("py-news")
    sub.psubscribe("py-*")
    got = []

    def collect():
        message = sub.get_message(ignore_subscribe_messages=True, timeout=0.05)
        if message:
            got.append((message["type"], message["data"]))
        return len(got) >= 2

    def subscribed():
        return sum(n.pubsub_numsub("py-news")[0][1] + n.pubsub_numpat() for n in direct) >= 2

    until("the subscriptions", lambda: collect() or subscribed())
    direct[-1].publish("py-news", "hello")  # any node
    until("both messages", collect)
    equal(sorted(got), [("message", b"hello"), ("pmessage", b"hello")])
    sub.close()


@test
def a_lost_connection_is_made_again():
    own = connect()
    own.set(k("before"), "1")
    for node in direct:
        for client in node.client_list(_type="normal"):
            if int(client["id"]) != node.client_id():
                node.client_kill_filter(_id=client["id"])

    def alive():
        try:
            return own.get(k("before")) == b"1"
        except ConnectionError:
            return False

    until("the connection", alive)
    until("the others", lambda: r.get(k("before")) == b"1" and text.get(k("before")) == "1")


@only_standalone
def connecting():
    info = r.info()
    assert info["redis_version"].startswith("7."), info["redis_version"]
    equal(info["role"], "master")
    assert r.command_count() > 200
    equal(r.client_getname(), "redis-py-test")
    equal(r.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})
    equal(r.dbsize(), len(r.keys()))


@only_standalone
def transactions_with_watch():
    r.set("w", 1)
    with r.pipeline() as p:
        p.watch("w")
        direct[0].set("w", 2)
        p.multi()
        p.set("w", 3)
        raises(WatchError, "Watched variable changed", p.execute)
    equal(r.transaction(lambda p: (p.get("w"), p.multi(), p.incr("w")), "w"), [3])
    with r.pipeline() as p:
        p.set("w", "v").lpush("w", 1).get("w")
        replies = p.execute(raise_on_error=False)
        equal((replies[0], type(replies[1]), replies[2]), (True, ResponseError, b"v"))


@only_standalone
def locks():
    first, second = r.lock("lock", timeout=10), r.lock("lock", timeout=10)
    equal(first.acquire(), True)
    equal(second.acquire(blocking=False), False)
    equal(first.extend(10), True)
    assert 10 < r.ttl("lock") <= 20
    first.release()
    equal(second.acquire(blocking=False), True)
    r.delete("lock")
    raises(LockNotOwnedError, "no longer owned", second.release)


@only_standalone
def scan_of_the_keyspace():
    with r.pipeline() as p:
        for i in range(2000):
            p.set(f"walk:{i}", i)
        p.execute()
    equal(len(set(r.scan_iter("walk:*", count=100))), 2000)
    equal(set(r.scan_iter("walk:*", count=100, _type="list")), set())


@only_standalone
def databases():
    other = connect(db=5)
    other.set("in5", "v")
    equal(r.exists("in5"), 0)
    equal(other.move("in5", 0), True)
    equal(r.get("in5"), b"v")
    equal(r.info("keyspace")["db0"]["keys"], r.dbsize())


@only_standalone
def users():
    equal(r.acl_setuser("pyuser", enabled=True, passwords=["+secret"], keys=["public:*"], categories=["+@read"]), True)
    own = redis.Redis(*NODES[0], username="pyuser", password="secret")
    equal(own.get("public:x"), None)
    raises(redis.exceptions.NoPermissionError, "no permissions to access", own.get, "private")
    raises(redis.exceptions.NoPermissionError, "no permissions to run", own.set, "public:x", 1)
    raises(ResponseError, "WRONGPASS invalid username-password pair", redis.Redis(*NODES[0], username="pyuser", password="no").ping)
    equal(r.acl_getuser("pyuser")["enabled"], True)
    equal(r.acl_deluser("pyuser"), 1)


@only_cluster
def keys_of_many_slots():
    for i in range(300):
        r.set(f"py:{i}", i)
    equal([int(r.get(f"py:{i}")) for i in range(300)], list(range(300)))
    equal(r.mset_nonatomic({f"pym:{i}": i for i in range(50)}) != [], True)
    equal(r.mget_nonatomic([f"pym:{i}" for i in range(50)]), [str(i).encode() for i in range(50)])
    equal(len(set(r.scan_iter("py:*", count=100))), 300)
    raises(RedisClusterException, "same key slot", r.mget, "py:1", "py:2")
    p = r.pipeline()
    for i in range(300):
        p.incr(f"py:{i}")
    equal(p.execute(), list(range(1, 301)))
    equal(r.delete(*[f"py:{i}" for i in range(300)]), 300)


@only_cluster
def reads_from_replicas():
    replicas = RedisCluster(startup_nodes=[ClusterNode(*n) for n in NODES], read_from_replicas=True)
    for i in range(50):
        r.set(f"pyrep:{i}", i)
    for i in range(50):
        for _ in range(3):
            until(f"pyrep:{i}", lambda: replicas.get(f"pyrep:{i}") == str(i).encode())


@only_cluster
def a_planned_failover_under_writes_loses_none():
    slot = r.cluster_keyslot("py-moved")
    r.delete("py-moved")

    def owners():
        for low, high, *owners in direct[0].execute_command("CLUSTER SLOTS"):
            if low <= slot <= high:
                return [port for _, port, *_ in owners]

    primary, replica, *_ = owners()
    written, stop, failed = [0], threading.Event(), []

    def write():
        own = connect()
        try:
            while not stop.is_set():
                own.rpush("py-moved", written[0])
                written[0] += 1
        except Exception as err:  # noqa: BLE001
            failed.append(err)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    until("some writes", lambda: written[0] > 50)
    equal(redis.Redis(NODES[0][0], replica).execute_command("CLUSTER FAILOVER"), True)
    until("the new primary", lambda: owners()[0] != primary)
    at = written[0]
    until("writes after it", lambda: failed or written[0] > at + 50)
    stop.set()
    writer.join()
    equal(failed, [])
    equal([int(v) for v in r.lrange("py-moved", 0, -1)], list(range(written[0])))


run()
