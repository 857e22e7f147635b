"""The folder of the starter corpus: its files and tags, the same each time, fit to be prepared."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from woodshed.corpus.duplicates import group_duplicates
from woodshed.corpus.passages import passage_prints
from woodshed.corpus.prepare import prepare
from woodshed.corpus.quality import judge
from woodshed.corpus.starter import StarterSummary, compose, make_plan, write_starter
from woodshed.corpus.starter.write import sidecar
from woodshed.corpus.tags import read_tags
from woodshed.errors import CannotWrite, OutputExists, UsageError
from woodshed.formats.midi_read import read_midi
from woodshed.formats.midi_write import midi_bytes
from woodshed.music.lineup import load_lineup
from woodshed.music.score import Score
from woodshed.tokens.events import Events
from woodshed.tokens.events_grammar import events_grammar
from woodshed.tokens.limits import event_extremes, event_limits

TAGS = {
    "feel": {"shuffle", "straight", "slow", "funk"},
    "form": {"twelve", "quick", "minor", "eight", "sixteen", "jazz"},
    "intensity": {"calm", "medium", "hot"},
    "section": {"intro", "verse", "solo", "stop", "breakdown", "out"},
}


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [compose(make_plan(number, seed=1)) for number in range(300)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StarterSummary]:
    folder = tmp_path_factory.mktemp("starter") / "blues"
    return folder, write_starter(folder, count=16)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


BAND = load_lineup("band")


def slots_of(score: Score) -> list[int | None]:
    return [placed.slot for placed in BAND.place(score.parts)]


def test_summary_tells_what_is_there(written: tuple[Path, StarterSummary]) -> None:
    folder, summary = written
    music = [read_midi(path) for path in sorted(folder.glob("*.mid"))]
    assert summary.folder == str(folder)
    assert summary.pieces == len(music) == len(list(folder.glob("*.yaml"))) == 16
    assert summary.notes == sum(len(score.notes) for score in music)
    assert summary.music_seconds == pytest.approx(sum(s.duration_seconds for s in music), abs=1)
    for counts in (summary.by_feel, summary.by_form, summary.by_key):
        assert sum(counts.values()) == 16
    assert dataclasses.is_dataclass(summary)
    with pytest.raises(dataclasses.FrozenInstanceError):
        summary.pieces = 3  # type: ignore[misc]


def test_same_seed_same_bytes_and_a_piece_does_not_care_how_many_there_are(
    written: tuple[Path, StarterSummary], tmp_path: Path
) -> None:
    folder, _ = written
    write_starter(tmp_path / "again", count=16)
    assert contents(tmp_path / "again") == contents(folder)
    write_starter(tmp_path / "few", count=5)
    few = contents(tmp_path / "few")
    few.pop("starter.json")
    assert few.items() <= contents(folder).items()
    write_starter(tmp_path / "other", count=5, seed=2)
    other = contents(tmp_path / "other")
    assert not set(few.values()) & {h for name, h in other.items() if name.endswith(".mid")}


def test_bytes_stay_as_they_are() -> None:
    """Whoever changes the music on purpose changes this, too, and says so in the changelog."""
    digest = hashlib.sha256()
    for number in range(3):
        digest.update(midi_bytes(compose(make_plan(number, seed=1))))
    assert digest.hexdigest()[:16] == "9247362923f7c0c0"


def test_tags_are_read_as_they_are_meant(written: tuple[Path, StarterSummary]) -> None:
    folder, _ = written
    names = sorted(path.name for path in folder.glob("*.mid"))
    tags = read_tags(folder, names)
    assert tags.not_read == ()
    assert tags.unused == ()
    for number, name in enumerate(names):
        plan = make_plan(number, seed=1)
        found = tags.of(name)
        assert tags.licence(name) == "Apache-2.0"
        assert found["feel"] == plan.feel.name
        assert found["key"] == plan.key.name
        assert found["form"] == plan.form.name
        for tag, known in TAGS.items():
            value = found[tag]
            assert set(value if isinstance(value, tuple) else (value,)) <= known


def test_no_tag_belongs_to_one_piece_alone() -> None:
    """Each value of a tag becomes a token, and a token that is seen once teaches nothing."""
    plans = [make_plan(number, seed=1) for number in range(300)]
    lines = Counter(line for plan in plans for line in sidecar(plan).splitlines())
    sections = Counter(name for plan in plans for name in {s.name for s in plan.sections})
    assert min(sections.values()) >= 10
    rare = [line for line, times in lines.items() if times < 10 and "section" not in line]
    assert [line for line in rare if not line.startswith("key: ") or "minor" not in line] == []


def test_solos_are_dealt_among_the_players() -> None:
    """Nine pieces of ten have a solo, and nobody has most of them."""
    plans = [make_plan(number, seed=1) for number in range(300)]
    solos = [[s.soloist for s in plan.sections if s.soloist] for plan in plans]
    assert sum(1 for names in solos if not names) == 30
    firsts = Counter(names[0] for names in solos if names)
    assert firsts == {
        "Lead Guitar": 90,
        "Harmonica": 90,
        "Piano": firsts["Piano"],
        "Organ": 90 - firsts["Piano"],
    }
    assert 30 < firsts["Piano"] < 60
    every = Counter(name for names in solos for name in names)
    assert max(every.values()) < 0.4 * every.total()
    for plan, names in zip(plans, solos, strict=True):
        assert {*names} <= {player.name for player in plan.band}


def test_the_index_knows_chords_and_sections(written: tuple[Path, StarterSummary]) -> None:
    folder, summary = written
    index = json.loads((folder / "starter.json").read_text(encoding="utf-8"))
    assert len(index["pieces"]) == summary.pieces
    for entry in index["pieces"]:
        score = read_midi(folder / entry["file"])
        bars = score.bars()
        marked = [t for t in score.texts if t.kind == "marker"]
        for bar, chords in enumerate(entry["chords"]):
            first = int(bars.start_ticks[bar])
            inside = [t.text for t in marked if first <= t.ticks < first + bars.length_ticks[bar]]
            assert " ".join(inside) == chords
        cues = [t.text for t in score.texts if t.kind == "cue"]
        assert cues == [section["name"] for section in entry["sections"]]
        assert [part.name for part in score.parts] == entry["players"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    assert write_starter(place, count=1).pieces == 1  # an empty folder will do
    with pytest.raises(OutputExists):
        write_starter(place, count=1)
    write_starter(place, count=2, seed=5, force=True)
    assert len(list(place.glob("*.mid"))) == 2
    (place / "diary.txt").write_text("dear diary", encoding="utf-8")
    with pytest.raises(UsageError, match=r"diary\.txt"):
        write_starter(place, count=1, force=True)
    assert len(list(place.glob("*.mid"))) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    with pytest.raises(CannotWrite, match="folder is wanted"):
        write_starter(tmp_path / "taken", count=1, force=True)


def test_work_that_stops_leaves_nothing(tmp_path: Path) -> None:
    def tired(items, total, what, /):
        for number, item in enumerate(items):
            if number == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        write_starter(tmp_path / "blues", count=5, watch=tired)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("count", "seed"), [(0, 1), (-3, 1), (100_001, 1), (3, -1)])
def test_what_makes_no_sense_is_refused(tmp_path: Path, count: int, seed: int) -> None:
    with pytest.raises(UsageError, match="use --"):
        write_starter(tmp_path / "blues", count=count, seed=seed)
    assert not (tmp_path / "blues").exists()


def test_no_two_of_three_hundred_are_one_piece(scores: list[Score]) -> None:
    groups = group_duplicates([passage_prints(score) for score in scores])
    assert len(set(groups.tolist())) >= 298


def test_every_piece_is_of_good_quality_and_fills_its_slots(scores: list[Score]) -> None:
    notes: Counter[str] = Counter()
    for score in scores[:100]:
        assert judge(score).rejected_because is None
        assert judge(score).score > 0.9
        for part, slot in enumerate(slots_of(score)):
            assert slot is not None, score.parts[part].name
            notes[BAND.slots[slot].name] += int((score.notes.part == part).sum())
    shares = {slot: count / notes.total() for slot, count in notes.items()}
    assert set(shares) == {slot.name for slot in BAND.slots}
    assert shares["voxlead"] > 0.02
    assert max(shares.values()) < 0.45


def test_events_tell_every_piece_within_the_limits(scores: list[Score]) -> None:
    events = Events(BAND)
    told = [events.encode(score, slots_of(score)) for score in scores[:60]]
    limits = event_limits([event_extremes(tokens, events) for tokens in told])
    grammar = events_grammar(events, limits)
    assert all(grammar.legal(tokens).all() for tokens in told)
    assert max(len(tokens) for tokens in told) < 16_000


def test_the_corpus_is_prepared_whole(written: tuple[Path, StarterSummary], tmp_path: Path) -> None:
    folder, summary = written
    report = prepare(folder, tmp_path / "blues.dataset")
    assert report.left_out == ()
    assert report.tags_not_read == ()
    assert report.summary.pieces == summary.pieces


def test_three_hundred_pieces_take_no_longer_than_a_song() -> None:
    """Under five seconds on a quiet core; here the yardstick is what this machine does just now."""

    def yardstick() -> float:
        started = time.process_time()
        total = 0.0
        for number in range(400_000):
            total += (number * 7 % 13) * 0.5
        assert total
        return time.process_time() - started

    before = yardstick()
    started = time.process_time()
    for number in range(30):
        midi_bytes(compose(make_plan(number, seed=3)))
    taken = time.process_time() - started
    assert taken < 30 * max(before, yardstick())
