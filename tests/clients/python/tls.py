"""redis-py over TLS, against a cluster."""

import logging
import os

import redis
from redis.cluster import ClusterNode, RedisCluster

from tap import NODES, equal, run, test

logging.disable()

OPTIONS = {
    "ssl": True,
    "ssl_ca_certs": os.environ["TLS_CA"],
    "ssl_certfile": os.environ["TLS_CERT"],
    "ssl_keyfile": os.environ["TLS_KEY"],
}


@test
def one_node():
    equal(redis.Redis(*NODES[0], **OPTIONS).ping(), True)


@test
def all_nodes():
    c = RedisCluster(startup_nodes=[ClusterNode(*n) for n in NODES], decode_responses=True, **OPTIONS)
    keys = [f"tls:{i}" for i in range(30)]
    for key in keys:
        equal(c.set(key, key), True)
    equal([c.get(key) for key in keys], keys)


@test
def it_does_not_trust_everybody():
    options = {k: v for k, v in OPTIONS.items() if k != "ssl_ca_certs"}
    try:
        redis.Redis(*NODES[0], **options).ping()
    except redis.ConnectionError as err:
        assert "certificate verify failed" in str(err), err
        return
    raise AssertionError("it did")


run()
