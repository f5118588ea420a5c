<?php
// Waits for an element of a list and prints it: pop.php MODE ADDRESS... KEY

$addrs = array_slice($argv, 2, -1);
[$host, $port] = explode(':', $addrs[0]);
if ($argv[1] === 'cluster') {
    $redis = new RedisCluster(null, $addrs, 5, 20);
} else {
    $redis = new Redis();
    $redis->connect($host, (int)$port, 20);
}
echo json_encode($redis->blPop([end($argv)], 10));
