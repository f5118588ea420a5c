"""What the programs in this directory share; see ../node/tap.mjs."""

import sys
import time
import traceback

MODE, ADDRS = sys.argv[1], [a.rsplit(":", 1) for a in sys.argv[2:]]
NODES = [(host, int(port)) for host, port in ADDRS]
CLUSTER = MODE == "cluster"

tests = []


def test(f):
    """Adds f to the tests; its name is the test's."""
    tests.append(f)
    return f


def only_standalone(f):
    return f if CLUSTER else test(f)


def only_cluster(f):
    return test(f) if CLUSTER else f


def until(what, condition, within=15):
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what}")
        time.sleep(0.02)


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def raises(kind, text, f, *args, **kw):
    try:
        got = f(*args, **kw)
    except Exception as err:  # noqa: BLE001 - which one is the question
        assert type(err) is kind, f"{type(err)} instead of {kind}: {err}"
        assert text in str(err), f"{err} does not have {text}"
        return
    raise AssertionError(f"{got!r} instead of {kind}")


def run():
    failed = 0
    for i, f in enumerate(tests, 1):
        name = f.__name__.replace("_", " ")
        try:
            f()
            print(f"ok {i} - {name}", flush=True)
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"not ok {i} - {name}")
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()), flush=True)
    print(f"1..{len(tests)}", flush=True)
    sys.exit(1 if failed else 0)
