"""Changed files of every kind: a reader returns numbers or raises PosebenchError, within five seconds and a bounded memory.

``POSEBENCH_FUZZ=100000 python -m pytest tests/fuzz -s`` reads 100,000 inputs and prints a line a kind. A failure names kind and number:
``POSEBENCH_FUZZ_ONE="protocol:17"`` reads that input alone.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError

from .kinds import kinds
from .mutate import mutated

INPUTS = int(os.environ.get("POSEBENCH_FUZZ", "600"))
SECONDS = 5.0
_MEMORY = 4 * 2**30


class Hang(BaseException):
    """A reader took too long; no reader catches it as an error."""


def _read(kind, folder):
    """What reading gives: ``("read", digest, numbers)``, ``("refused", message)`` or ``("crash", traceback)``."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "read", *kind.read(folder)
    except PosebenchError as error:
        return "refused", str(error)
    except Hang:
        return "hang", traceback.format_exc(limit=-3)
    except Exception:
        return "crash", traceback.format_exc(limit=-4)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@pytest.fixture(autouse=True)
def limits(monkeypatch, tmp_path):
    """CPU time and memory of a reader are limited."""
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEBENCH_ONNX_SECONDS", "5")
    monkeypatch.setenv("POSEBENCH_ONNX_GIB", "1")

    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGPROF, stop)
    old = resource.getrlimit(resource.RLIMIT_AS)
    pages = Path("/proc/self/statm")
    if pages.exists():
        held = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + _MEMORY, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, old)
    signal.signal(signal.SIGPROF, before)


KINDS = {kind.name: kind for kind in kinds()}
_SHARES = sum(kind.share for kind in KINDS.values())


@pytest.mark.skipif(sys.platform == "win32", reason="timers and limits of POSIX")
@pytest.mark.parametrize("name", KINDS)
def test_changed_files_are_read_or_refused(name, tmp_path):
    kind = KINDS[name]
    folder, only = tmp_path / "sound", os.environ.get("POSEBENCH_FUZZ_ONE", "")
    if only and only.partition(":")[0] != name:
        pytest.skip("another kind is asked for")
    folder.mkdir()
    kind.make(folder)
    honest = _read(kind, folder)
    assert honest[0] == "read", honest[1]
    files = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    count = max(2, INPUTS * kind.share // _SHARES)
    tally, failed, slowest, began = Counter(), [], 0.0, time.perf_counter()
    for number in [int(only.partition(":")[2])] if only else range(count):
        chance = random.Random(f"{name} {number}")
        changed = chance.choice(list(files))
        (folder / changed).write_bytes(mutated(changed.name, files[changed], chance))
        started = time.perf_counter()
        found = _read(kind, folder)
        slowest = max(slowest, time.perf_counter() - started)
        outcome = found[0]
        if outcome == "read" and found[1] == honest[1] and found[2] != honest[2]:
            outcome = "wrong"
        if outcome == "refused" and (len(found[1]) > 3000 or not found[1].isprintable()):
            outcome = "message"
        tally[outcome] += 1
        if outcome in ("crash", "hang", "wrong", "message"):
            failed.append(f"{name}:{number} ({changed}): {outcome}\n{found[-1]}")
        # A cache mends itself; everything else is put back.
        for path, content in files.items():
            if path == changed or not (folder / path).is_file():
                if (folder / path).is_dir():
                    shutil.rmtree(folder / path)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
    print(f"\n{name}: {count:,} inputs, {dict(tally)}, {time.perf_counter() - began:.1f} s, slowest {slowest:.1f} s", flush=True)
    assert not failed, f"{len(failed)} failures\n" + "\n".join(failed[:10])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=max(30, INPUTS // 100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, key=st.integers(0, 40))
@pytest.mark.parametrize("name", ["result", "speed record", "entry", "run folder", "mmpose json"])
def test_any_value_in_a_json_file_is_read_or_refused(name, tmp_path_factory, value, key):
    if name not in KINDS:
        pytest.skip("runs need the extra [baselines]")
    kind, folder = KINDS[name], tmp_path_factory.mktemp("json")
    kind.make(folder)
    path = next(folder.rglob("*.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    places = list(content) if isinstance(content, dict) else range(len(content))
    content[places[key % len(places)]] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    assert _read(kind, folder)[0] in ("read", "refused")
