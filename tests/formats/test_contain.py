"""Strangers' files stay at arm's length: faults are injected into real worker processes.

Whatever one file does, every other file gives its value, order is kept, and nothing is left behind.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.formats import smf
from woodshed.corpus.survey import FACTS, inspect
from woodshed.errors import BadFile, UsageError, WoodshedError
from woodshed.formats import contain, worker_process
from woodshed.formats.contain import Outcome, Task, Upload, contained
from woodshed.formats.frames import DamagedFrame, Frame
from woodshed.formats.limits import Limits
from woodshed.formats.midi_contained import READ, read_contained, read_many
from woodshed.formats.score_frames import score_from_frame

HERE = Path(__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="signals and sessions are POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, or a limit on memory")

# One worker, so that good and bad files share their batches.
SHORT = Limits(seconds=1.0, memory_mb=256, workers=1)
PATIENT = Limits(seconds=30.0, memory_mb=256, workers=1)

NOTE = smf.one("00 90 3C 40", "60 80 3C 40")


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After each test no process, thread or temporary file is left of those it made."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    children = set(psutil.Process().children(recursive=True))
    threads = set(threading.enumerate())
    yield
    gc.collect()
    assert set(psutil.Process().children(recursive=True)) <= children
    assert set(threading.enumerate()) <= threads
    assert list(temporary.iterdir()) == []


def length(frame: Frame) -> int:
    """Understand what the functions in `faults` answer."""
    value = frame.head["length"]
    assert isinstance(value, int)
    return value


def fault(name: str, **settings: Any) -> Task[int]:
    """The task that a function in `faults` is."""
    return Task(f"faults:{name}", length, settings)


def uploads(count: int = 12, bad: tuple[int, ...] = (4,)) -> list[Upload]:
    """Small uploads, each as long as its number; some of them bad."""
    return [Upload(f"{'bad' if n in bad else 'good'} {n}", bytes(n)) for n in range(count)]


def values(outcomes: list[Outcome[int]]) -> list[int | None]:
    """The value of each outcome, None where there is none."""
    return [o.value for o in outcomes]


def expect_only_bad(outcomes: list[Outcome[int]], items: list[Upload], *reasons: str) -> None:
    """Every good file has its value, in order; every bad one gives one of these reasons."""
    assert [o.path for o in outcomes] == [item.name for item in items]
    for outcome, item in zip(outcomes, items, strict=True):
        if item.name.startswith("good"):
            assert outcome.bad is None
            assert outcome.value == len(item.data)
        else:
            assert outcome.value is None
            assert outcome.bad is not None
            assert outcome.bad.path == item.name
            assert any(reason in outcome.bad.reason for reason in reasons), outcome.bad.reason


def test_good_files_give_their_values_in_order() -> None:
    items = uploads(100, bad=())
    assert values(list(contained(fault("crash"), items, PATIENT))) == list(range(100))


def test_nothing_to_read_starts_nothing() -> None:
    assert list(contained(fault("crash"), [])) == []


@posix
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crash", "its reader crashed (SIGSEGV)"),
        ("abort", "its reader crashed (SIGABRT)"),
        ("leave_quietly", "its reader ended by itself (exit status 0)"),
        ("leave_by_exception", "its reader ended by itself (exit status 0)"),
        ("stop_in_the_middle", "its reader ended by itself (exit status 0)"),
        ("recurse", "Woodshed itself failed on it (RecursionError"),
        ("refuse", "it has a hole in the middle"),
        ("babble", "its reader answered nonsense: a frame begins with"),
        ("babble_for_ever", "its reader answered nonsense: a frame begins with"),
        ("answer_for_ever", "its reader answered nonsense: an answer for file -1"),
        ("claim_4_gigabytes", "its reader answered nonsense: a frame claims 4,294,967,295"),
        ("claim_900_gigabytes", "its reader answered nonsense"),
        ("send_objects", "its reader answered nonsense"),
        ("send_nesting", "its reader answered nonsense"),
        ("answer_for_another", "its reader answered nonsense: an answer for file 99"),
        ("answer_with_a_list", "its reader answered nonsense"),
        ("answer_without_value", "its reader answered nonsense: an answer without a value"),
        ("answer_without_length", "its reader answered nonsense: 'length'"),
        ("hang_up", "its reader fell silent"),
        ("unfold_too_far", "it holds too much"),
    ],
)
def test_a_fault_costs_its_own_file_only(name: str, reason: str) -> None:
    items = uploads()
    started = time.monotonic()
    expect_only_bad(list(contained(fault(name), items, PATIENT)), items, reason)
    assert time.monotonic() - started < PATIENT.seconds  # nobody had to wait for a time limit


@posix
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("bad", [(0,), (11,), (3, 4), (0, 1, 2, 6, 7, 11)])
def test_it_does_not_matter_where_bad_files_stand(bad: tuple[int, ...], workers: int) -> None:
    items = uploads(bad=bad)
    outcomes = contained(fault("crash"), items, Limits(workers=workers))
    expect_only_bad(list(outcomes), items, "its reader crashed (SIGSEGV)")


@posix
@pytest.mark.parametrize("name", ["hang", "hang_in_c", "fall_asleep"])
def test_a_hang_is_stopped_at_the_time_limit(name: str) -> None:
    items = uploads()
    expect_only_bad(
        list(contained(fault(name), items, SHORT)), items, "it took longer than 1 s to read"
    )


@linux
@pytest.mark.parametrize("name", ["bomb", "bomb_at_once"])
def test_memory_ends_where_the_limit_is(name: str) -> None:
    items = uploads()
    expect_only_bad(
        list(contained(fault(name), items, PATIENT)), items, "it takes more than 256 MB to read"
    )


@linux
def test_a_bomb_that_will_not_give_up_is_stopped() -> None:
    items = uploads()
    expect_only_bad(
        list(contained(fault("stubborn_bomb"), items, SHORT)),
        items,
        "it took longer than 1 s to read",
        "it takes more than 256 MB to read",
    )


@posix
def test_the_parent_watches_memory_where_the_system_sets_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resource.py").write_text("raise ImportError('no such thing on this system')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(HERE)]))
    items = uploads()
    expect_only_bad(
        list(contained(fault("stubborn_bomb"), items, PATIENT)),
        items,
        "it takes more than 256 MB to read",
    )


@pytest.mark.parametrize("name", ["print_much", "complain_much"])
def test_noise_does_no_harm(name: str) -> None:
    items = uploads(bad=(0, 5, 11))
    assert values(list(contained(fault(name), items, PATIENT))) == list(range(12))


@posix
@pytest.mark.parametrize("name", ["die_later", "run_short_later", "fail_later"])
def test_no_file_is_blamed_for_what_an_earlier_one_did(name: str) -> None:
    items = uploads(32, bad=(0, 5, 17, 18))
    assert values(list(contained(fault(name), items, PATIENT))) == list(range(32))


@posix
def test_a_large_upload_to_a_worker_that_does_not_listen_is_no_deadlock() -> None:
    items = uploads(8, bad=(1,))  # the last one of its batch
    items[2] = Upload("good and large", bytes(10_000_000))
    outcomes = list(contained(fault("deafen"), items, Limits(seconds=1.0, workers=1)))
    assert values(outcomes) == [0, 1, 10_000_000, 3, 4, 5, 6, 7]


def test_uploads_larger_than_a_message_are_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woodshed.formats.frames.MAX_FRAME_BYTES", 100_000)
    items = uploads(8, bad=())
    items[3] = Upload("bad", bytes(200_000))
    expect_only_bad(list(contained(fault("crash"), items, PATIENT)), items, "it is too large")


def test_uploads_travel_in_batches_that_fit_a_message() -> None:
    size = contain.BATCH_BYTES // 4 + 1
    items: list[str | Upload] = [Upload("x", bytes(size)) for _ in range(40)]
    items.insert(5, "a file, which does not travel")
    batches = contain._batches(items, workers=1)
    assert [number for batch in batches for number in batch] == list(range(41))
    assert [len(batch) for batch in batches] == [3, 4, *[3] * 11, 1]


@pytest.mark.parametrize(("count", "workers"), [(1, 1), (7, 2), (100, 2), (1000, 3)])
def test_batches_cover_every_item_once(count: int, workers: int) -> None:
    items: list[str | Upload] = ["x"] * count
    batches = contain._batches(items, workers)
    assert [number for batch in batches for number in batch] == list(range(count))
    assert max(map(len, batches)) <= contain.BATCH_FILES


@posix
def test_leaving_early_stops_the_workers() -> None:
    outcomes = contained(fault("hang"), uploads(200, bad=(150, 151)), PATIENT)
    assert next(outcomes).value == 0
    started = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 5
    assert psutil.Process().children() == []


@posix
def test_leaving_while_a_worker_is_being_replaced_stops_the_new_one_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[worker_process.WorkerProcess] = []
    closing = threading.Event()

    class SlowlyMade(worker_process.WorkerProcess):
        def __init__(self, limits: Limits) -> None:
            super().__init__(limits)
            made.append(self)
            if len(made) == 2:
                os.kill(self.process.pid, signal.SIGSTOP)  # it would never get ready
                closing.wait(30)

    monkeypatch.setattr(contain, "WorkerProcess", SlowlyMade)
    outcomes = contained(fault("crash"), uploads(8, bad=(3,)), PATIENT)
    assert next(outcomes).value == 0  # of the first batch; the second one breaks its worker
    wait_until(lambda: len(made) == 2)
    threading.Timer(0.5, closing.set).start()
    started = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10
    assert psutil.Process().children() == []


def test_forgetting_the_outcomes_stops_the_workers() -> None:
    for outcome in contained(fault("crash"), uploads(200, bad=()), PATIENT):
        assert outcome.value == 0
        break
    gc.collect()
    assert psutil.Process().children() == []


def test_an_exception_of_the_caller_stops_the_workers() -> None:
    def fail() -> None:
        for _ in contained(fault("crash"), uploads(200, bad=()), PATIENT):
            raise RuntimeError("the caller has had enough")

    with pytest.raises(RuntimeError, match="had enough"):
        fail()
    gc.collect()
    assert psutil.Process().children() == []


# Workers that cannot even start.


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('no strings on this guitar')", "no strings on this guitar"),
        ("work = 1 +", "SyntaxError"),
        ("import os\nos._exit(3)", "it said nothing"),
        ("", "has no attribute 'work'"),
    ],
)
def test_a_worker_that_cannot_start_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    (tmp_path / "broken.py").write_text(text + "\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WoodshedError, match="could not start") as caught:
        list(contained(Task("broken:work", length), uploads(), PATIENT))
    assert reason in str(caught.value)


def test_a_missing_interpreter_is_an_error_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", str(HERE / "no-python"))
    with pytest.raises(WoodshedError, match=r"could not start: .*no-python"):
        list(contained(fault("crash"), uploads(), PATIENT))


@posix
def test_a_worker_that_never_gets_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(worker_process, "START_SECONDS", 1.0)
    with pytest.raises(WoodshedError, match="it did not start within 1 s"):
        list(contained(Task("slow:work", length), uploads(), PATIENT))


def test_a_watch_that_fails_is_an_error_and_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: worker_process.WorkerProcess) -> None:
        raise RuntimeError("the watch stands still")

    monkeypatch.setattr(worker_process.WorkerProcess, "check", fail)
    with pytest.raises(RuntimeError, match="stands still"):
        list(contained(fault("hang"), uploads(), PATIENT))


# Parents that go away.

PARENT = """
    import re, resource, sys, time
    from woodshed.formats.contain import Task, Upload, contained
    from woodshed.formats.limits import Limits

    function, marker, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    items = [Upload("bad" if n == 3 else "good", b"x") for n in range(count)]
    task = Task(function, lambda frame: frame.head["length"], {"marker": marker})
    outcomes = contained(task, items, Limits(seconds=2.0, workers=2))
    for outcome in outcomes:
        print(outcome.path, flush=True)
        time.sleep(pause)
        pause = 0
        if "--leave" in sys.argv:
            break
    # What Linux tells of a program by getrusage begins at the size of whoever started it.
    status = open("/proc/self/status").read() if sys.platform == "linux" else ""
    told = re.search(r"VmHWM:\\s*(\\d+)", status)
    peak = int(told[1]) if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("peak", peak // 1024)
"""


def parent(function: str, marker: Path, *more: str, count: int = 12, pause: float = 0) -> Any:
    """Another process that reads at arm's length."""
    arguments = [function, str(marker), str(count), str(pause), *more]
    program = [sys.executable, "-c", textwrap.dedent(PARENT), *arguments]
    paths = os.pathsep.join([str(HERE), str(Path(contain.__file__).parents[2])])
    return subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `condition` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


@posix
@pytest.mark.parametrize("name", ["hang", "hang_in_c"])
def test_a_worker_without_its_parent_ends_by_itself(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    with parent(f"faults:{name}", marker) as process:
        wait_until(lambda: marker.exists() and marker.read_text())
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []


@posix
def test_ctrl_c_stops_parent_and_workers(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with parent("faults:hang_in_c", marker) as process:
        wait_until(lambda: marker.exists() and marker.read_text())
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
        assert "KeyboardInterrupt" in process.stderr.read()
    _, alive = psutil.wait_procs(workers, timeout=1)
    assert alive == []


@posix
def test_ctrl_c_while_workers_start_stops_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "slow.py").write_text(
        f"import time\nopen({str(marker)!r}, 'w').write('x')\ntime.sleep(60)\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "HERE", tmp_path)
    with parent("slow:work", marker) as process:
        wait_until(lambda: marker.exists() and marker.read_text())
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    _, alive = psutil.wait_procs(workers, timeout=1)
    assert alive == []


@posix
def test_a_program_may_end_with_outcomes_untaken(tmp_path: Path) -> None:
    with parent("faults:crash", tmp_path / "marker", "--leave", count=500) as process:
        assert process.wait(20) == 0


@posix
def test_a_slow_caller_does_not_make_the_parent_grow(tmp_path: Path) -> None:
    # 60 files become 20 MB each: 1,200 MB, of which only some may wait to be taken.
    with parent("faults:unfold", tmp_path / "marker", count=60, pause=3) as process:
        lines = process.stdout.read().splitlines()
        assert process.wait(30) == 0
    assert len(lines) == 61
    assert int(lines[-1].removeprefix("peak ")) < 400


# MIDI itself.


def test_a_contained_file_gives_its_score(tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(NOTE)
    from_path, from_bytes = read_contained(path), read_contained(NOTE, name="an upload")
    assert from_path == from_bytes
    assert from_path.notes.pitch.tolist() == [60]
    assert from_path.source is not None
    assert from_path.source.path == str(path)


def test_an_upload_is_called_by_its_name() -> None:
    with pytest.raises(BadFile, match=r"^tune from the web: it is not a MIDI file"):
        read_contained(b"something else", name="tune from the web")


@posix
def test_what_is_no_regular_file_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "missing.mid pipe.mid folder.mid socket.mid null\0.mid x.mid x.mid/y"
    paths = [str(tmp_path / name) for name in names.split()]
    os.mkfifo(paths[1])
    os.mkdir(paths[2])
    Path(paths[5]).write_bytes(NOTE)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path may only be short
        server.bind("socket.mid")
        outcomes = list(read_many(paths, PATIENT))
    reasons = [outcome.bad and outcome.bad.reason for outcome in outcomes]
    assert reasons == [
        "there is no such file",
        "it is a pipe or a device, not a regular file",
        "this is a folder, not a file",
        "it is a pipe or a device, not a regular file",
        "it cannot be opened (embedded null byte)",
        None,
        "it cannot be opened (Not a directory)",
    ]


@linux
def test_a_file_that_may_not_be_read_says_so() -> None:
    with pytest.raises(BadFile, match=r"it cannot be opened \(Input/output error\)"):
        read_contained("/proc/self/mem")  # where even an administrator's read fails


def test_names_that_are_not_unicode_reach_the_worker(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mid")
    try:
        Path(path).write_bytes(NOTE)
    except (OSError, UnicodeError):
        pytest.skip("this file system has only Unicode names")
    assert len(read_contained(path).notes) == 1


def test_the_smallest_memory_limit_still_reads_real_files_with_compiled_code() -> None:
    rows = ["00 90 3C 40", "60 80 3C 40"] * 3_000
    items = [Upload("x", smf.one(*rows)) for _ in range(40)]  # enough of them to be compiled for
    outcomes = contained(READ, items, Limits(memory_mb=64, workers=1, seconds=60))
    assert [outcome.bad for outcome in outcomes] == [None] * 40


def test_a_small_file_cannot_unfold_without_end() -> None:
    note = ("00 90 3C 40", "60 80 3C 40")
    players = [smf.track(f"00 C0 {n % 128:02X}", *note) for n in range(1_000)]
    levels = smf.track("00 B0 07 40", *["00 07 40"] * 10_000)  # of their channel: of each player
    data = smf.midi(*players, levels)
    assert len(data) < 60_000
    with pytest.raises(BadFile, match="they become 10,001,000 events"):
        read_contained(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arrays": {"notes.part": 99}}, "notes refer to part 99"),
        ({"arrays": {"notes.pitch": 200}}, "pitch 200"),
        ({"arrays": {"notes.velocity": 0}}, "velocity 0"),
        ({"arrays": {"notes.start_ticks": -5}}, "starts at tick -5"),
        ({"arrays": {"tempos.microseconds_per_quarter": 0}}, "0 µs"),
        ({"head": {"ticks_per_quarter": 0}}, "0 ticks a quarter"),
        ({"head": {"parts": [["x", 300, False, 0]]}}, "program 300"),
        ({"head": {"texts": [[0, "curse", "x", None]]}}, "no kind of text"),
        ({"head": {"texts": [[0, "lyric", "x", 7]]}}, "refers to part 7"),
        ({"head": {"parts": None}}, "what came is no score"),
        ({"head": {"path": ["x"]}}, "its source is"),
    ],
)
def test_a_score_that_is_none_is_not_believed(change: dict[str, Any], reason: str) -> None:
    items = [Upload("bad" if n == 2 else "good", NOTE) for n in range(5)]
    task = Task("faults:spoil_score", score_from_frame, {"change": change})
    outcomes = list(contained(task, items, PATIENT))
    assert [o.bad is None for o in outcomes] == [True, True, False, True, True]
    assert outcomes[2].bad is not None
    assert "its reader answered nonsense" in outcomes[2].bad.reason
    assert reason in outcomes[2].bad.reason


@pytest.mark.parametrize(
    "change",
    [
        {"parts": [{"name": "x"}]},
        {"parts": None},
        {"metres": []},
        {"notes": "many"},
        {"bars": 1.5},
        {"duration_seconds": float("nan")},
        {"repairs": [{"kind": "x", "count": "1", "sentence": "x"}]},
    ],
)
def test_facts_that_are_none_are_not_believed(change: dict[str, Any]) -> None:
    facts = {
        "path": "x", "midi_type": 1, "duration_seconds": 1.0, "bars": 1, "tempo_bpm": 120.0,
        "metres": ["4/4"], "notes": 0, "parts": [], "repairs": [], "left_out": [],
    }  # fmt: skip
    assert FACTS.understand(Frame(facts)).bars == 1
    with pytest.raises(DamagedFrame, match="what came are no facts"):
        FACTS.understand(Frame(facts | change))


def test_facts_of_a_part_that_cannot_be_are_not_believed() -> None:
    facts = inspect(NOTE)
    part = {
        "name": "x", "is_drum": False, "channel": 0, "program": 300,
        "notes": 1, "lowest_pitch": 1, "highest_pitch": 1,
    }  # fmt: skip
    head = json.loads(json.dumps(asdict(facts)))
    assert FACTS.understand(Frame(head)).parts[0].program == 0
    with pytest.raises(DamagedFrame, match="program 300"):
        FACTS.understand(Frame(head | {"parts": [part]}))


@pytest.mark.parametrize(
    "settings",
    [
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"memory_mb": 1},
        {"memory_mb": 10**12},
        {"workers": 0},
        {"workers": 10**6},
    ],
)
def test_limits_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        Limits(**settings)
