<?php
// What the programs in this directory share; see ../node/tap.mjs.

error_reporting(E_ALL);
set_error_handler(function ($severity, $message, $file, $line) {
    throw new ErrorException($message, 0, $severity, $file, $line);
});

$cluster = $argv[1] === 'cluster';
$nodes = array_slice($argv, 2);
$tests = [];

function test(string $name, callable $f): void
{
    global $tests;
    $tests[$name] = $f;
}

function only_standalone(string $name, callable $f): void
{
    global $cluster;
    $cluster || test($name, $f);
}

function only_cluster(string $name, callable $f): void
{
    global $cluster;
    $cluster && test($name, $f);
}

function equal($got, $want): void
{
    if ($got !== $want) {
        throw new Exception('got ' . var_export($got, true) . ', want ' . var_export($want, true));
    }
}

// matches fails unless the text has the pattern.
function matches(string $pattern, ?string $text): void
{
    if (!preg_match($pattern, (string)$text)) {
        throw new Exception(var_export($text, true) . " does not match $pattern");
    }
}

function throws(string $kind, string $pattern, callable $f): void
{
    try {
        $got = $f();
    } catch (Throwable $err) {
        equal(get_class($err), $kind);
        matches($pattern, $err->getMessage());
        return;
    }
    throw new Exception('got ' . var_export($got, true) . " instead of $kind");
}

function until(string $what, callable $condition, float $within = 15): void
{
    for ($end = microtime(true) + $within; !$condition(); usleep(20000)) {
        if (microtime(true) > $end) {
            throw new Exception("not within $within s: $what");
        }
    }
}

function run(): never
{
    global $tests;
    $failed = $i = 0;
    foreach ($tests as $name => $f) {
        $i++;
        try {
            $f();
            echo "ok $i - $name\n";
        } catch (Throwable $err) {
            $failed++;
            echo "not ok $i - $name\n# ", str_replace("\n", "\n# ", (string)$err), "\n";
        }
    }
    echo '1..', count($tests), "\n";
    exit($failed ? 1 : 0);
}
