<?php
// phpredis against a standalone node or a cluster, and PHP's sessions in it.

require __DIR__ . '/tap.php';

function connect(): Redis|RedisCluster
{
    global $cluster, $nodes;
    return $cluster ? new RedisCluster(null, $nodes, 5, 5) : direct(0);
}

function direct(int $node): Redis
{
    global $nodes;
    [$host, $port] = explode(':', $nodes[$node]);
    $redis = new Redis();
    $redis->connect($host, (int)$port, 5);
    return $redis;
}

function k(string $name): string
{
    return "{php}$name";
}

// ended waits for a process and fails the test unless it ended well.
function ended($process, array $pipes): string
{
    $out = stream_get_contents($pipes[1]);
    equal(proc_close($process), 0);
    return $out;
}

$r = connect();

test('strings are binary safe', function () use ($r) {
    $bytes = implode('', array_map('chr', range(0, 255)));
    equal($r->set(k('bin'), $bytes), true);
    equal($r->get(k('bin')), $bytes);
    equal($r->get(k('missing')), false);
    equal($r->set(k('bin'), 'x', ['nx']), false);
    equal($r->set(k('bin'), 'y', ['xx', 'px' => 50000]), true);
    $big = str_repeat("\xd2", 3 << 20);
    $r->set(k('big'), $big);
    equal($r->get(k('big')), $big);
    equal($r->append(k('bin'), "\0z"), 3);
    equal($r->getRange(k('bin'), 1, -1), "\0z");
    $r->del(k('n'));
    equal($r->incrBy(k('n'), 42), 42);
    equal($r->incrByFloat(k('n'), 0.5), 42.5);
});

test('values are serialized by the client', function () {
    $own = connect();
    $own->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_PHP);
    $value = ['a' => [1, 2.5, null], 'b' => true];
    $own->set(k('ser'), $value);
    equal($own->get(k('ser')), $value);
    $own->hMSet(k('serh'), ['x' => $value]);
    equal($own->hGetAll(k('serh')), ['x' => $value]);
});

test('expiry', function () use ($r) {
    $r->setex(k('ttl'), 100, 'v');
    equal(in_array($r->ttl(k('ttl')), [99, 100]), true);
    equal($r->persist(k('ttl')), true);
    equal($r->ttl(k('ttl')), -1);
    equal($r->pExpire(k('ttl'), 5), true);
    until('the key to expire', fn() => !$r->exists(k('ttl')));
});

test('hashes', function () use ($r) {
    $r->del(k('h'));
    equal($r->hMSet(k('h'), ['a' => 1, 'b' => 'two']), true);
    equal($r->hGetAll(k('h')), ['a' => '1', 'b' => 'two']);
    equal($r->hMGet(k('h'), ['b', 'zz']), ['b' => 'two', 'zz' => false]);
    equal($r->hIncrBy(k('h'), 'a', 41), 42);
    $seen = [];
    for ($cursor = null; $page = $r->hScan(k('h'), $cursor);) {
        $seen += $page;
    }
    ksort($seen);
    equal($seen, ['a' => '42', 'b' => 'two']);
});

test('hash fields expire', function () use ($r) {
    $raw = fn(...$args) => $r instanceof RedisCluster ? $r->rawCommand(k('hx'), ...$args) : $r->rawCommand(...$args);
    $r->hMSet(k('hx'), ['stay' => 1, 'go' => 2]);
    equal($raw('HPEXPIRE', k('hx'), 5, 'FIELDS', 2, 'go', 'absent'), [1, -2]);
    until('the field to expire', fn() => $r->hLen(k('hx')) === 1);
    equal($r->hKeys(k('hx')), ['stay']);
});

test('sorted sets', function () use ($r) {
    $r->del(k('z'));
    equal($r->zAdd(k('z'), 1.5, 'a', -2, 'm'), 2);
    equal($r->zRange(k('z'), 0, -1, true), ['m' => -2.0, 'a' => 1.5]);
    equal($r->zRangeByScore(k('z'), '(-2', '+inf', ['withscores' => true, 'limit' => [0, 5]]), ['a' => 1.5]);
    equal($r->zIncrBy(k('z'), 1, 'a'), 2.5);
    equal($r->zScore(k('z'), 'none'), false);
    equal($r->zRevRank(k('z'), 'a'), 0);
});

test('sets and lists', function () use ($r) {
    $r->del(k('s1'), k('s2'), k('l'));
    $r->sAdd(k('s1'), 'a', 'b', 'c');
    $r->sAdd(k('s2'), 'b', 'd');
    equal($r->sInter(k('s1'), k('s2')), ['b']);
    equal($r->sDiffStore(k('s3'), k('s1'), k('s2')), 2);
    $r->rPush(k('l'), '1', '2', '3');
    equal($r->lRange(k('l'), 0, -1), ['1', '2', '3']);
    equal($r->lRem(k('l'), '2', 0), 1);
    equal($r->sort(k('l'), ['sort' => 'desc']), ['3', '1']);
});

test('geo', function () use ($r) {
    $r->del(k('g'));
    $r->geoAdd(k('g'), 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania');
    equal((float)$r->geoDist(k('g'), 'Palermo', 'Catania', 'km'), 166.2742);
    equal($r->geoRadius(k('g'), 15, 37, 100, 'km'), ['Catania']);
});

test('transactions', function () use ($r) {
    $r->set(k('t'), 'text');
    equal($r->multi()->set(k('t1'), '1')->incr(k('t1'))->lPush(k('t'), 'x')->get(k('t1'))->exec(), [true, 2, false, '2']);
});

test('errors', function () use ($r) {
    $r->set(k('str'), 'v');
    $r->clearLastError();
    equal($r->lPush(k('str'), 'x'), false); // this is how phpredis reports it
    // phpredis may leave a zero byte at the end.
    equal(rtrim($r->getLastError(), "\0"), 'WRONGTYPE Operation against a key holding the wrong kind of value');
    equal($r->get(k('str')), 'v');
});

test('streams and groups', function () use ($r) {
    $r->del(k('st'));
    equal($r->xGroup('CREATE', k('st'), 'g', '$', true), true);
    $id = $r->xAdd(k('st'), '*', ['f' => '1']);
    equal($r->xReadGroup('g', 'me', [k('st') => '>'], 10), [k('st') => [$id => ['f' => '1']]]);
    equal($r->xPending(k('st'), 'g')[0], 1);
    equal($r->xClaim(k('st'), 'g', 'you', 0, [$id], []), [$id => ['f' => '1']]);
    equal($r->xAck(k('st'), 'g', [$id]), 1);
    equal($r->xRange(k('st'), '-', '+'), [$id => ['f' => '1']]);
    equal($r->xLen(k('st')), 1);
});

test('blocking pops', function () use ($r) {
    global $argv;
    $r->del(k('q'));
    $child = proc_open([PHP_BINARY, __DIR__ . '/pop.php', ...array_slice($argv, 1), k('q')], [1 => ['pipe', 'w']], $pipes);
    until('the client to wait', function () {
        global $nodes;
        $sum = 0;
        foreach (array_keys($nodes) as $i) {
            $sum += direct($i)->info('clients')['blocked_clients'];
        }
        return $sum > 0;
    });
    $r->rPush(k('q'), 'job');
    equal(ended($child, $pipes), '["{php}q","job"]');
    equal($r->blPop([k('q')], 1), []);
});

test('scripts', function () use ($r) {
    $script = "redis.call('SET', KEYS[1], ARGV[1]); return {redis.call('GET', KEYS[1]), #ARGV}";
    equal($r->evalSha(sha1($script), [k('sc'), 'v', 'w'], 1), false);
    matches('/^NOSCRIPT /', $r->getLastError());
    equal($r->eval($script, [k('sc'), 'v', 'w'], 1), ['v', 2]);
    equal($r->evalSha(sha1($script), [k('sc'), 'v', 'w'], 1), ['v', 2]);
    equal($r->eval("return redis.error_reply('boom')", [k('sc')], 1), false);
    matches('/boom/', $r->getLastError());
});

test('publish and subscribe', function () use ($r) {
    global $argv, $nodes;
    $child = proc_open([PHP_BINARY, __DIR__ . '/subscribe.php', ...array_slice($argv, 1)], [1 => ['pipe', 'w']], $pipes);
    until('the subscription', function () use ($nodes) {
        $sum = 0;
        foreach (array_keys($nodes) as $i) {
            $sum += direct($i)->pubsub('numsub', ['php-news'])['php-news'];
        }
        return $sum > 0;
    });
    direct(count($nodes) - 1)->publish('php-news', 'hello');
    equal(fgets($pipes[1]), "php-news hello\n");
    proc_terminate($child, 9); // it would wait for another message
    proc_close($child);
});

test('a lost connection is made again', function () {
    global $nodes;
    $own = connect();
    $own->set(k('before'), '1');
    foreach (array_keys($nodes) as $i) {
        direct($i)->rawCommand('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
    until('the connection', function () use ($own) {
        try {
            return $own->get(k('before')) === '1';
        } catch (RedisException | RedisClusterException) {
            return false;
        }
    });
});

test('sessions', function () {
    global $cluster, $nodes;
    [$handler, $path] = $cluster
        ? ['rediscluster', implode('&', array_map(fn($n) => "seed[]=$n", $nodes))]
        : ['redis', "tcp://$nodes[0]"];
    $settings = ["session.save_handler=$handler", "session.save_path=\"$path\"", 'session.use_cookies=0', 'session.cache_limiter=',
        'redis.session.locking_enabled=1', 'redis.session.lock_retries=-1', 'redis.session.lock_wait_time=5000'];
    $page = function (string $code) use ($settings) {
        $options = array_merge(...array_map(fn($s) => ['-d', $s], $settings));
        $child = proc_open([PHP_BINARY, ...$options, '-r', 'session_id("abc"); session_start(); ' . $code . ' session_write_close();'], [1 => ['pipe', 'w']], $pipes);
        return [$child, $pipes];
    };
    equal(ended(...$page('session_destroy();')), '');
    // Pages at the same time lock the session with SET NX and release it by a
    // script; this version of the extension does that on a standalone node only.
    $visit = '$_SESSION["visits"] = ($_SESSION["visits"] ?? 0) + 1; usleep(20000);';
    foreach ($cluster ? array_fill(0, 8, 1) : [8] as $together) {
        $pages = array_map(fn() => $page($visit), range(1, $together));
        foreach ($pages as $p) {
            ended(...$p);
        }
    }
    equal(ended(...$page('echo $_SESSION["visits"];')), '8');
    equal(ended(...$page('session_destroy();')), '');
    equal(ended(...$page('echo json_encode($_SESSION);')), '[]');
});

only_standalone('connecting', function () use ($r) {
    matches('/^7\./', $r->info()['redis_version']);
    equal($r->ping('hello'), 'hello');
    equal($r->client('setname', 'phpredis-test'), true);
    equal($r->client('getname'), 'phpredis-test');
    equal($r->config('GET', 'maxmemory-policy'), ['maxmemory-policy' => 'noeviction']);
    equal($r->role()[0], 'master');
});

only_standalone('pipelines', function () use ($r) {
    $p = $r->pipeline();
    for ($i = 0; $i < 500; $i++) {
        $p->set("p$i", $i)->get("p$i");
    }
    $replies = $p->exec();
    equal(count($replies), 1000);
    equal($replies[999], '499');
});

only_standalone('WATCH', function () use ($r) {
    $other = direct(0);
    $r->set('w', 1);
    $r->watch('w');
    $other->set('w', 2);
    equal($r->multi()->set('w', 3)->exec(), false);
    $r->watch('w');
    equal($r->multi()->incr('w')->exec(), [3]);
});

only_standalone('scan of the keyspace', function () use ($r) {
    $r->mSet(array_combine(array_map(fn($i) => "walk:$i", range(1, 2000)), range(1, 2000)));
    $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $seen = [];
    for ($cursor = null; $keys = $r->scan($cursor, 'walk:*', 100);) {
        $seen += array_flip($keys);
    }
    equal(count($seen), 2000);
});

only_standalone('databases', function () use ($r) {
    $other = direct(0);
    $other->select(4);
    $other->set('in4', 'v');
    equal($r->exists('in4'), 0);
    equal($other->move('in4', 0), true);
    equal($r->get('in4'), 'v');
});

only_cluster('keys of many slots, and a scan of all primaries', function () use ($r) {
    for ($i = 0; $i < 300; $i++) {
        $r->set("php:$i", $i);
    }
    equal($r->mGet(array_map(fn($i) => "php:$i", range(0, 299))), array_map('strval', range(0, 299)));
    $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $seen = [];
    foreach ($r->_masters() as $node) {
        for ($cursor = null; $keys = $r->scan($cursor, $node, 'php:*', 100);) {
            foreach ($keys as $key) {
                equal(isset($seen[$key]), false);
                $seen[$key] = true;
            }
        }
    }
    equal(count($seen), 300);
    equal($r->del(array_keys($seen)), 300);
});

only_cluster('a planned failover is followed', function () use ($r) {
    $slot = direct(0)->rawCommand('CLUSTER', 'KEYSLOT', 'php-moved');
    $owners = function () use ($slot) {
        foreach (direct(0)->rawCommand('CLUSTER', 'SLOTS') as $range) {
            if ($range[0] <= $slot && $slot <= $range[1]) {
                return [$range[2][1], $range[3][1]];
            }
        }
    };
    $r->del('php-moved');
    [$primary, $replica] = $owners();
    for ($i = 0; $i < 50; $i++) {
        $r->rPush('php-moved', $i);
    }
    $failover = new Redis();
    $failover->connect('127.0.0.1', $replica, 5);
    $failover->rawCommand('CLUSTER', 'FAILOVER');
    until('the new primary', function () use ($r, $owners, $primary, &$i) {
        equal($r->rPush('php-moved', $i), ++$i);
        return $owners()[0] !== $primary;
    });
    for ($end = $i + 50; $i < $end; $i++) {
        $r->rPush('php-moved', $i);
    }
    equal($r->lRange('php-moved', 0, -1), array_map('strval', range(0, $end - 1)));
});

run();
