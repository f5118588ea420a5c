"""Celery with a standalone node as broker and as store of results."""

import os
import subprocess
import sys

from tap import ADDRS, equal, run, test, until

os.environ["REDIS_URL"] = "redis://" + ":".join(ADDRS[0])

from celery import chord, group  # noqa: E402 - the tasks need the address

from celery_tasks import add, app, failing, flaky, total  # noqa: E402

LIMIT = 30


@test
def two_hundred_tasks():
    results = group(add.s(i, i) for i in range(200)).apply_async()
    equal(results.get(timeout=LIMIT), [2 * i for i in range(200)])


@test
def delays_and_queues():
    equal(add.apply_async((1, 2), countdown=0.5, queue="other").get(timeout=LIMIT), 3)


@test
def retries_and_failures():
    equal(flaky.delay("tries").get(timeout=LIMIT), "third time")
    equal(app.backend.client.get("tries"), b"3")
    failed = failing.delay()
    until("the failure", failed.failed)
    equal(str(failed.result), "for good")


@test
def a_chord_sums_the_results_of_its_tasks():
    result = chord([add.s(i, 1) for i in range(20)])(total.s())
    equal(result.get(timeout=LIMIT), sum(range(20)) + 20)


@test
def control_by_broadcast():
    replies = until("the worker's answer", lambda: app.control.ping(timeout=1))
    equal([list(r.values())[0] for r in replies], [{"ok": "pong"}])


worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool=threads", "-c4", "-Q", "default,other", "--loglevel=CRITICAL"],
    cwd=os.path.dirname(os.path.abspath(__file__)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    run()
finally:
    worker.terminate()
    worker.wait()
