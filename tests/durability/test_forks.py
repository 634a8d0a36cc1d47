"""T12: a forked child opens the store anew, whatever its parent was doing, and disturbs nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pfslib
from pfslib.testing.inventory import assert_exact

Run = Callable[..., str]

BUSY_PARENT = """
import os, random, signal, sys, threading, time, warnings
import pfslib
from pfslib.kv.tables import Table
warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
store = pfslib.open(sys.argv[1])
ended, failed, done = threading.Event(), [], [0, 0]

def hold():
    with store.kv.read() as txn:
        for _ in txn.scan(Table.COMMITS):
            time.sleep(0.002)

def read():
    assert store.get_file("repo", "master", "/a") == b"alpha\\n"
    done[0] += 1

def write():
    with store.repo("repo").commit(threading.current_thread().name) as commit:
        commit.put_file("/x", os.urandom(200_000))
    done[1] += 1

def again_and_again(action):
    try:
        while not ended.is_set():
            action()
    except BaseException as error:
        failed.append(repr(error))

def in_child(number):
    signal.alarm(20)
    assert store.get_file("repo", "master", "/a") == b"alpha\\n"
    with store.repo("repo").commit(f"child-{number}") as commit:
        commit.put_file("/number", str(number))
    assert store.get_file("repo", f"child-{number}", "/number") == str(number).encode()
    if number % 3 == 0:
        store.close()
        with pfslib.open(sys.argv[1]) as again:
            again.get_file("repo", "master", "/a")

threads = [threading.Thread(target=again_and_again, args=(action,), name=f"t{number}")
           for number, action in enumerate((hold, read, read, write, write))]
for thread in threads:
    thread.start()
while min(done) < 5:
    time.sleep(0.01)
with store.kv.read() as held:
    before = dict(held.scan(Table.COMMITS))
    for number in range(int(sys.argv[2])):
        pid = os.fork()
        if pid == 0:
            in_child(number)
            if number % 2:
                os._exit(0)
            sys.exit(0)  # with all that Python does at the end
        status = os.waitpid(pid, 0)[1]
        assert status == 0, (number, status)
    assert dict(held.scan(Table.COMMITS)) == before
ended.set()
for thread in threads:
    thread.join()
assert not failed, failed
print(len(store.repo("repo").list_branch()))
store.close()
"""


def test_forks_of_a_parent_in_the_middle_of_everything(filled: Path, run: Run) -> None:
    children = 40
    assert int(run(BUSY_PARENT, filled, children)) == 1 + 2 + children
    with pfslib.open(filled) as store:
        for number in range(children):
            data = store.get_file("repo", f"child-{number}", "/number")
            assert data == str(number).encode()


FORK_INSIDE = """
import os, sys
import pfslib
from pfslib.kv.tables import Table
store = pfslib.open(sys.argv[1])
kind = sys.argv[2]
if kind == "write":
    with store.kv.write() as txn:
        txn.put(Table.META, b"test", b"parent's")
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
else:
    with store.kv.read() as txn:
        rows = txn.scan(Table.COMMITS)
        next(rows)
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            slots = store.kv._kv._opened.env.readers()
            assert str(os.getpid()) in slots, "the reader is still protected"
            assert len(list(rows)) == 2
if pid:
    with store.kv.read() as txn:
        print(txn.get(Table.META, b"test"))
"""


def test_a_transaction_open_at_a_fork_stays_its_parents(filled: Path, run: Run) -> None:
    ending = """
try:
    exec(SOURCE)
except pfslib.StoreClosedError:
    assert pid == 0
    with store.kv.read() as txn:
        assert txn.get(Table.META, b"test") is None
"""
    code = (
        f"SOURCE = {FORK_INSIDE!r}\nimport os\nfrom pfslib.kv.tables import Table\nimport pfslib\n"
    )
    assert run(code + ending, filled, "read") == "None\n"
    assert run(code + ending, filled, "write") == 'b"parent\'s"\n'


KILLED_PARENT = """
import os, signal, sys, time
import pfslib
store = pfslib.open(sys.argv[1])
with store.kv.write():
    if os.fork() == 0:
        time.sleep(float(sys.argv[2]))  # a worker that lives on and never uses the store
        os._exit(0)
    print("forked", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_lives_on_holds_no_lock_of_its_killed_parent(
    filled: Path, start: Callable[..., object]
) -> None:
    parent = start(KILLED_PARENT, filled, 3)
    assert parent.stdout.readline() == "forked\n"
    parent.wait()
    with pfslib.open(filled) as store:
        store.kv._kv._opened.guard.gate.wait_s = 2
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/on", b"on")


MANY_THREADS_IN_THE_CHILD = """
import os, sys, threading
import pfslib
store = pfslib.open(sys.argv[1])
pid = os.fork()
if pid == 0:
    failed = []
    def use():
        try:
            assert store.get_file("repo", "master", "/a") == b"alpha\\n"
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(len(failed))
print(os.waitpid(pid, 0)[1])
"""


def test_threads_of_a_child_may_be_first_at_once(filled: Path, run: Run) -> None:
    assert run(MANY_THREADS_IN_THE_CHILD, filled) == "0\n"


LOCKED_CACHE = """
import os, sys, threading
import pfslib
store = pfslib.open(sys.argv[1])
store.get_file("repo", "master", "/a")
import gc
from pfslib.chunks.lru import Lru
caches = [found for found in gc.get_objects() if isinstance(found, Lru)]
assert caches
inside, leave = threading.Event(), threading.Event()
def hold():
    for cache in caches:
        cache._lock.acquire()
    inside.set()
    leave.wait()
thread = threading.Thread(target=hold)
thread.start()
inside.wait()
pid = os.fork()
if pid == 0:
    import signal
    signal.alarm(10)
    assert store.get_file("repo", "master", "/a") == b"alpha\\n"
    os._exit(0)
print(os.waitpid(pid, 0)[1], flush=True)
os._exit(0)
"""


def test_a_lock_that_a_thread_held_does_not_hang_the_child(filled: Path, run: Run) -> None:
    assert run(LOCKED_CACHE, filled) == "0\n"


JOINING = """
import os, sys, threading, time
import pfslib
from pfslib.commits import finish

store = pfslib.open(sys.argv[1])
inside, go_on = threading.Event(), threading.Event()
assemble = finish.assemble

def slowly(*arguments):
    inside.set()
    go_on.wait()
    return assemble(*arguments)

finish.assemble = slowly
commit = store.repo("repo").commit("joined")
commit.put_file("/large", os.urandom(3 << 20))
commit.put_file("/large", os.urandom(3 << 20), append=True)
joining = threading.Thread(target=commit.finish)
joining.start()
inside.wait()  # in the thread a read transaction is open, and its worker threads are there
began = time.monotonic()
pid = os.fork()
if pid == 0:
    finish.assemble = assemble
    assert store.get_file("repo", "master", "/a") == b"alpha\\n"
    with store.repo("repo").commit("child") as mine:
        mine.put_file("/large", os.urandom(1 << 20))
        mine.put_file("/large", b"more", append=True)
    os._exit(0)
took = time.monotonic() - began
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
joining.join()
assert commit.commit.inspect_file("/large").size == 6 << 20
print(took < 1, store.commit("repo@child").inspect_file("/large").size)
"""


def test_a_fork_beside_a_thread_that_joins_a_large_append(filled: Path, run: Run) -> None:
    """It does not wait for the thread, and the child may use the store."""
    assert run(JOINING, filled) == f"True {(1 << 20) + 4}\n"


HELD_BY_A_KILLED_PARENT = """
import os, signal, sys, time
import pfslib
store = pfslib.open(sys.argv[1])
commit = store.repo("repo").commit("held")
commit.put_file("/piece", os.urandom(50_000))
entry = commit._tree().find("/piece")  # folded: what was put is stored
hold = store.kv.hold()
hold.add((entry.content,))
ready, is_there = os.pipe()
if os.fork() == 0:
    os.write(is_there, b"!")
    time.sleep(float(sys.argv[2]))
    os._exit(0)
os.read(ready, 1)
print("forked", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_lives_on_keeps_nothing_from_gc(
    filled: Path, start: Callable[..., object]
) -> None:
    parent = start(HELD_BY_A_KILLED_PARENT, filled, 3)
    assert parent.stdout.readline() == "forked\n"
    parent.wait()
    with pfslib.open(filled) as store:
        assert store.gc().pieces > 0
        assert_exact(store)
