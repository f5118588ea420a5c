<?php
// Prints the messages of php-news: subscribe.php MODE ADDRESS...

[$host, $port] = explode(':', $argv[2]);
$redis = new Redis();
$redis->connect($host, (int)$port, 20);
$redis->subscribe(['php-news'], function (Redis $redis, string $channel, string $message) {
    echo "$channel $message\n";
});
