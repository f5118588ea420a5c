<?php
// phpredis over TLS, against a cluster.

require __DIR__ . '/tap.php';

$context = [
    'cafile' => getenv('TLS_CA'), 'local_cert' => getenv('TLS_CERT'), 'local_pk' => getenv('TLS_KEY'),
    'verify_peer' => true, 'verify_peer_name' => true,
];

function one(array $context): Redis
{
    global $nodes;
    [$host, $port] = explode(':', $nodes[0]);
    $redis = new Redis();
    $redis->connect("tls://$host", (int)$port, 5, null, 0, 5, ['stream' => $context]);
    return $redis;
}

test('one node', function () use ($context) {
    equal(one($context)->ping(), true);
});

test('all nodes', function () use ($context, $nodes) {
    $c = new RedisCluster(null, $nodes, 5, 5, false, null, $context);
    for ($i = 0; $i < 30; $i++) {
        equal($c->set("tls:$i", "v$i"), true);
    }
    for ($i = 0; $i < 30; $i++) {
        equal($c->get("tls:$i"), "v$i");
    }
});

test('it does not trust everybody', function () use ($context) {
    unset($context['cafile']);
    throws('ErrorException', '/certificate verify failed/', fn () => one($context));
});

run();
