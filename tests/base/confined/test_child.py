"""A child process that crashes, hangs or takes all memory costs its parent one error, and the next call starts another."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from posebench.base.confined.child import Child, Ended, Failed, Limits
from posebench.base.errors import PosebenchError

LIMITS = Limits(60.0, 30.0, 2**28, 2**20)
WORK = """
    import os, time
    import numpy as np
    from posebench.base.errors import PosebenchError

    def double(array, add=0):
        print("this is not part of the answer")
        return {"shape": list(array.shape), "pid": os.getpid()}, [2 * array + add]

    def refuse():
        raise PosebenchError("one", "two", "three")

    def fail():
        raise KeyError("Pose")

    def crash():
        os.abort()

    def text():
        return None, [np.array(["a"])]

    def loop():
        while True:
            pass

    def sleep():
        time.sleep(600)

    def fill():
        return len(np.ones(2**27)), []
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """A child that can call the functions of ``WORK``."""
    (tmp_path / "work.py").write_text(textwrap.dedent(WORK))
    monkeypatch.syspath_prepend(tmp_path)
    made = Child()
    yield made
    made.end()


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 3), np.float32), np.array(4), np.arange(6).reshape(2, 3).T])
def test_arrays_go_there_and_come_back(child, array):
    value, (doubled,) = child.call("work:double", LIMITS, [array], add=1)
    np.testing.assert_array_equal(doubled, 2 * array + 1)
    assert (value["shape"], doubled.dtype) == (list(array.shape), (2 * array + 1).dtype)
    assert value["pid"] != os.getpid()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("refuse", PosebenchError, "Found: one. Wanted: two. Next: three"),
        ("fail", Failed, "KeyError: 'Pose'"),
        ("text", Failed, "something else than numbers"),
        ("crash", Ended, "crashed"),
    ],
)
def test_an_error_there_is_an_error_here_and_the_next_call_works(child, function, error, message):
    with pytest.raises(error, match=message):
        child.call(f"work:{function}", LIMITS)
    assert child.call("work:double", LIMITS, [np.ones(2)])[1][0].tolist() == [2.0, 2.0]


def test_a_call_without_end_is_ended(child):
    child.call("work:double", LIMITS, [np.ones(2)])
    with pytest.raises(Ended, match=r"no answer within 0.3 s"):
        child.call("work:sleep", Limits(0.3, 30.0, 2**28))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of CPU time for a process")
def test_cpu_time_is_limited(child):
    with pytest.raises(Ended, match=r"no answer within 0.5 s of CPU time"):
        child.call("work:loop", Limits(60.0, 0.5, 2**28))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_memory_is_limited(child):
    with pytest.raises(Ended, match="more memory than the 268,435,456 bytes"):
        child.call("work:fill", LIMITS)


def test_a_larger_answer_than_expected_is_not_read(child):
    with pytest.raises(Ended):
        child.call("work:double", Limits(60.0, 30.0, 2**28, 10), [np.ones(9)])


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_call_and_the_child(tmp_path):
    """Also where the signal reaches the parent alone."""
    (tmp_path / "work.py").write_text(textwrap.dedent(WORK))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from posebench.base.confined.child import Child, Limits; child = Child(); "
        "child._running(); print(child._process.pid, flush=True); child.call('work:sleep', Limits(600.0, 600.0, 2**28))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.send_signal(signal.SIGINT)
        parent.wait(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
