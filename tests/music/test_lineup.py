"""Every rule of placing parts, and every way a lineup file can be wrong."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from woodshed.errors import BadLineup
from woodshed.music.lineup import Lineup, Reason, Slot, load_lineup, shipped_lineups
from woodshed.music.score import DRUM_CHANNEL, Part

BAND = load_lineup("band")


def placed(lineup: Lineup, *parts: Part) -> list[tuple[str | None, str]]:
    """The names of the slots of one score's parts, and the reasons."""
    return [
        (None if placement.slot is None else lineup.slots[placement.slot].name, placement.reason)
        for placement in lineup.place(parts)
    ]


def knows(pattern: str | list[str], name: str) -> bool:
    """Whether the patterns of a slot know a name."""
    patterns = (pattern,) if isinstance(pattern, str) else tuple(pattern)
    lineup = Lineup("test", (Slot("wanted", names=patterns, drums=True), Slot("others", rest=True)))
    return lineup.place([Part(name)])[0].slot == 0


# The rules, in their order


@pytest.mark.parametrize("name", ["", "Piano", "Lead Vocal", "Bass", "Steel Drums"])
def test_a_drum_flag_means_drums_whatever_the_name(name: str) -> None:
    assert placed(BAND, Part(name, 33, is_drum=True)) == [("drums", "drum flag")]


@pytest.mark.parametrize("name", ["", "Piano", "Lead Vocal", "Bass", "Steel Drums"])
def test_channel_10_means_drums_whatever_the_name(name: str) -> None:
    assert placed(BAND, Part(name, 33, channel=DRUM_CHANNEL)) == [("drums", "channel 10")]
    assert placed(BAND, Part("", 33, channel=8)) == [("bass", "program")]


@pytest.mark.parametrize(
    "name",
    [
        "Drums", "Schlagzeug", "Batterie", "Batería", "Batera", "kick", "Snare 1", "Snaredrum",
        "Hi-Hat", "HiHat", "hi_hat", "Percussion", "Percussão", "Bass Drum", "bassdrum",
        "BassDrum2", "Drum Machine", "Conga", "DRUMS!!!", "Tom 2", "Crash Cymbal", "Drums\0",
    ],
)  # fmt: skip
def test_a_drum_name_means_drums_whatever_the_program(name: str) -> None:
    assert placed(BAND, Part(name, 33)) == [("drums", "drum name")]


@pytest.mark.parametrize(
    ("slot", "names"),
    [
        ("bass", ["Bass 1", "E-Bass", "Slapbass", "Kontrabaß", "Contrebasse", "Bajo eléctrico"]),
        ("bass", ["Baixo", "Basso", "Bass Guitar", "BassGuitar", "Basgitaar", "Synth Bass"]),
        ("guitar", ["Lead Guitar", "LeadGuitar", "lead_guitar_2", "E-Gitarre", "Gtr 1", "Gt."]),
        ("guitar", ["Guitarra", "Guitare", "Chitarra", "Violão", "Westerngitarre", "Pedal Steel"]),
        ("other", ["Piano", "Klavier", "E-Piano", "Strings", "Alto Sax", "Trompete", "Flöte"]),
        ("other", ["Bassoon", "Bass Clarinet", "Orgel", "Synth Pad", "Viola", "Fisarmonica"]),
        ("other", ["Steel Drums", "Percussive Organ", "Perc. Orgel", "Choir Pad", "Vox Organ"]),
        ("voxlead", ["Lead Vocal", "LeadVox", "Melody Vocal", "Vocals", "Gesang", "Voz", "Voix"]),
        ("voxharm", ["Backing Vox", "BGV", "Choir", "Harmony", "Vocal Harmony", "Coros", "Chœur"]),
    ],
)  # fmt: skip
def test_a_known_name_decides_whatever_the_program(slot: str, names: list[str]) -> None:
    for name in names:
        for program in (0, 27, 33, 53):
            assert placed(BAND, Part(name, program)) == [(slot, "name")], name


@pytest.mark.parametrize(
    ("slot", "reason", "programs"),
    [
        ("guitar", "program", range(24, 32)),
        ("bass", "program", range(32, 40)),
        ("voxlead", "program", range(52, 55)),
        ("other", "rest", [*range(24), *range(40, 52), *range(55, 128)]),
    ],
)
def test_an_empty_or_unknown_name_falls_back_to_the_program(
    slot: str, reason: str, programs: range | list[int]
) -> None:
    for program in programs:
        for name in ("", "  ", "Track 3", "\0"):
            assert placed(BAND, Part(name, program)) == [(slot, reason)]


def test_the_first_voice_program_leads_and_the_next_sing_harmony() -> None:
    assert placed(BAND, Part("", 53), Part("", 0), Part("", 52), Part("Track 4", 54)) == [
        ("voxlead", "program"),
        ("other", "rest"),
        ("voxharm", "further voice"),
        ("voxharm", "further voice"),
    ]


def test_a_voice_program_sings_harmony_after_a_lead_by_name() -> None:
    assert placed(BAND, Part("Lead Vocal", 65), Part("", 52)) == [
        ("voxlead", "name"),
        ("voxharm", "further voice"),
    ]


def test_a_voice_program_leads_after_harmony_alone() -> None:
    assert placed(BAND, Part("Choir", 52), Part("", 52)) == [
        ("voxharm", "name"),
        ("voxlead", "program"),
    ]


def test_plain_voice_names_lead_once_and_lead_names_always() -> None:
    names = ("Vocals", "Vocals 2", "Gesang", "Lead Vocals", "Backing Vocals", "Melody Vox")
    assert placed(BAND, *map(Part, names)) == [
        ("voxlead", "name"),
        ("voxharm", "further voice"),
        ("voxharm", "further voice"),
        ("voxlead", "name"),
        ("voxharm", "name"),
        ("voxlead", "name"),
    ]


def test_each_score_has_its_own_lead() -> None:
    assert placed(BAND, Part("", 52)) == placed(BAND, Part("", 52)) == [("voxlead", "program")]


@pytest.mark.parametrize(
    "title",
    [
        "Johann Sebastian Bach", "Ticket to Ride", "Tom Sawyer", "Little Drummer Boy",
        "Basket Case", "Captain Morgan", "Conundrum", "Saxony", "Sing a Song",
        "Composed by Korp", "The Organist", "Chorale Prelude", "Padre", "Bella Ciao",
        "http://odamex.net",
    ],
)  # fmt: skip
def test_titles_and_people_say_nothing(title: str) -> None:
    assert placed(BAND, Part(title, 120)) == [("other", "rest")]


def test_placing_by_name_ignores_programs_but_not_drum_flags() -> None:
    parts = [Part("", 33), Part("Bass", 0), Part("", 52), Part("", 0, is_drum=True), Part("Vox")]
    placements = BAND.place_by_name(parts)
    assert [(BAND.slots[p.slot or 0].name, p.reason) for p in placements] == [
        ("other", "rest"),
        ("bass", "name"),
        ("other", "rest"),
        ("drums", "drum flag"),
        ("voxlead", "name"),
    ]


# The shipped lineups


def test_the_shipped_lineups() -> None:
    assert shipped_lineups() == ("band", "gm", "kit", "piano", "quartet")
    for name in shipped_lineups():
        assert load_lineup(name).name == name


def test_the_band_and_how_it_sounds() -> None:
    assert [(slot.name, slot.playback) for slot in BAND.slots] == [
        ("voxlead", 52),
        ("voxharm", 53),
        ("guitar", 25),
        ("other", 0),
        ("bass", 33),
        ("drums", 0),
    ]


def test_the_quartet_tells_drums_from_percussion_by_name() -> None:
    quartet = load_lineup("quartet")
    assert [slot.name for slot in quartet.slots] == ["drums", "bass", "piano", "percussion"]
    for name in ("Congas", "bongo", "Percussion", "Shaker", "Tambourine"):
        assert placed(quartet, Part(name, is_drum=True)) == [("percussion", "drum flag")]
        assert placed(quartet, Part(name)) == [("percussion", "drum name")]
    for name in ("", "Snare", "Piano", "Bass Drum"):
        assert placed(quartet, Part(name, channel=DRUM_CHANNEL)) == [("drums", "channel 10")]


def test_the_quartet_by_program() -> None:
    quartet = load_lineup("quartet")
    for program in range(128):
        expected = ("piano", "rest")
        if 32 <= program <= 39:
            expected = ("bass", "program")
        elif 112 <= program <= 119:
            expected = ("percussion", "program")
        assert placed(quartet, Part("", program)) == [expected]


def test_the_piano_leaves_drums_out() -> None:
    piano = load_lineup("piano")
    assert placed(piano, Part("Bass", 33), Part("Drums"), Part("", is_drum=True)) == [
        ("piano", "rest"),
        (None, "no drum slot"),
        (None, "no drum slot"),
    ]


def test_the_kit_leaves_everything_else_out() -> None:
    kit = load_lineup("kit")
    assert placed(kit, Part("Bass", 33), Part("Congas"), Part("", channel=DRUM_CHANNEL)) == [
        (None, "left out"),
        ("drums", "drum name"),
        ("drums", "channel 10"),
    ]


def test_general_midi_goes_by_families_of_eight() -> None:
    gm = load_lineup("gm")
    assert len(gm.slots) == 17
    for program in range(128):
        assert gm.place([Part("Guitar", program)])[0].slot == program // 8
    assert placed(gm, Part("Snare", 30)) == [("drums", "drum name")]


@given(
    st.sampled_from(shipped_lineups()),
    st.lists(
        st.builds(
            Part,
            st.text() | st.sampled_from(["Drums", "Vocals", "Choir", "Bass", "Gtr", "Congas"]),
            st.integers(0, 127),
            st.booleans(),
            st.none() | st.integers(0, 15),
        )
    ),
)
def test_every_part_finds_a_place_or_a_reason_to_be_left_out(name: str, parts: list[Part]) -> None:
    lineup = load_lineup(name)
    placements = lineup.place(parts)
    assert len(placements) == len(parts)
    for part, placement in zip(parts, placements, strict=True):
        assert placement.reason in get_args(Reason)
        assert (placement.slot is None) == (placement.reason in ("no drum slot", "left out"))
        if part.is_drum:
            assert placement.slot is None or lineup.slots[placement.slot].drums
        elif placement.slot is not None and lineup.slots[placement.slot].drums:
            assert placement.reason in ("channel 10", "drum name", "program")


# Patterns


@pytest.mark.parametrize(
    ("pattern", "known", "unknown"),
    [
        ("bass", ["Bass", "Bass 1", "bass2", "E-Bass", "my_bass", "bäss"], ["bassoon", "slapbass"]),
        ("*bass", ["bass", "slapbass", "Contrabass"], ["bassoon"]),
        ("bass*", ["bass", "bassoon"], ["slapbass"]),
        ("bass drum", ["Bass Drum", "BASS-DRUM 1", "BassDrum"], ["drum bass", "bass"]),
        ("lead voc*", ["Lead Voc.", "lead vocals"], ["lead guitar", "lead"]),
        ("lead * voc*", ["Lead Female Vocals"], ["Lead Vocals"]),
        ("=tom", ["Tom", "Tom 2", "TOM!"], ["Tom Sawyer", "Floor Tom"]),
        ("flöte", ["Flote", "FLÖTE"], ["Flötist"]),
        ("E-Bass", ["e bass", "eBass"], ["bass"]),
        ("*ギター", ["エレキギター", "ギター"], ["ドラム"]),
    ],
)  # fmt: skip
def test_a_pattern_is_words(pattern: str, known: list[str], unknown: list[str]) -> None:
    assert [name for name in known if not knows(pattern, name)] == []
    assert [name for name in unknown if knows(pattern, name)] == []


@given(
    st.lists(st.text("ab*", min_size=1, max_size=5), min_size=1, max_size=3),
    st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=4),
)
def test_a_pattern_knows_what_its_words_know_one_by_one(
    pattern: list[str], name: list[str]
) -> None:
    assume(any(word.strip("*") for word in pattern))
    runs = (name[start : start + len(pattern)] for start in range(len(name) - len(pattern) + 1))
    expected = any(all(map(fnmatchcase, run, pattern)) for run in runs)
    assert knows(" ".join(pattern), " ".join(name)) == expected


def test_a_pattern_of_many_stars_takes_no_longer() -> None:
    assert not knows("*a" * 30 + "*b", "a" * 100)


def test_an_exclusion_wins_wherever_it_stands() -> None:
    for patterns in (["drum*", "!steel drum*"], ["!steel drum*", "drum*"]):
        assert knows(patterns, "Drums")
        assert not knows(patterns, "Steel Drums")


def test_a_group_brings_its_exclusions() -> None:
    assert knows("@drums", "Schlagzeug")
    assert not knows("@drums", "Steel Drums")


def test_always_is_tried_before_the_names_of_earlier_slots() -> None:
    slots = (Slot("guitar", names=("guitar",), rest=True), Slot("bass", always=("bass",)))
    assert placed(Lineup("two", slots), Part("Bass Guitar")) == [("bass", "name")]


def test_only_the_beginning_of_a_name_is_read() -> None:
    assert not knows("bass", "x" * 200 + " bass")
    assert knows("bass", "bass " + "x" * 1_000_000)


# Lineup files


def load(folder: Path, text: str) -> Lineup:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return load_lineup(file)


def test_a_lineup_of_ones_own(tmp_path: Path) -> None:
    mine = load(
        tmp_path,
        """
        [[slot]]
        name = "horns"
        playback = 61
        names = ["sax", "@bass", "!tuba"]
        programs = [22, "56-58", "65 – 66"]

        [[slot]]
        name = "rhythm"
        rest = true
        """,
    )
    assert mine.name == "mine"
    assert mine.slots[0].programs == (22, 56, 57, 58, 65, 66)
    assert placed(mine, Part("Bass"), Part("Bass Tuba"), Part("", 57)) == [
        ("horns", "name"),
        ("rhythm", "rest"),
        ("horns", "program"),
    ]


def test_a_rest_slot_may_pass_further_parts_on(tmp_path: Path) -> None:
    text = '[[slot]]\nname="tune"\nrest=true\nfurther="chords"\n[[slot]]\nname="chords"'
    assert placed(load(tmp_path, text), Part("a"), Part("b"), Part("c")) == [
        ("tune", "rest"),
        ("chords", "further voice"),
        ("chords", "further voice"),
    ]


def test_a_shipped_name_wins_over_a_file_and_a_path_over_a_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("band").write_text("", encoding="utf-8")
    Path("band.toml").write_text('[[slot]]\nname="solo"\nrest=true', encoding="utf-8")
    assert load_lineup("band") == BAND
    assert [slot.name for slot in load_lineup("band.toml").slots] == ["solo"]


def test_a_file_saved_by_notepad(tmp_path: Path) -> None:
    file = tmp_path / "mine.TOML"
    file.write_bytes(b'\xef\xbb\xbf[[slot]]\r\nname = "solo"\r\nrest = true\r\n')
    assert load_lineup(str(file)).slots == (Slot("solo", rest=True),)


REST = '[[slot]]\nname = "all"\nrest = true\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"no slots; begin one with \[\[slot\]\]"),
        ("[[slot]", r"is no TOML in UTF-8: .*line 1"),
        ("a = " + "[" * 5000, r"is no TOML"),
        ('[slot]\nname = "all"', r"slot = .* should be tables that begin with \[\[slot\]\]"),
        ("slot = [1]", "slot 1: it has no name"),
        ("[[slot]]\nrest = true", 'slot 1: it has no name; add one, such as name = "bass"'),
        ('[[slot]]\nname = "a b"\nrest = true', "'a b' cannot name a slot; use letters"),
        ('[[slot]]\nname = ""\nrest = true', "'' cannot name a slot"),
        ("[[slot]]\nname = 3\nrest = true", "name = 3 should be a name in quotes"),
        (REST + "program = 3", "slot 'all': unknown key 'program'; use name, .*programs"),
        ("leaveout = true\n" + REST, "unknown key 'leaveout'; use leave_out, slot"),
        (REST + "playback = 128", "slot 'all': program 128 is outside 0 to 127"),
        (REST + "playback = true", "playback = True should be a program"),
        (REST + 'programs = ["24-128"]', "program 128 is outside 0 to 127"),
        (REST + 'programs = ["31-24"]', "programs has '31-24'; write a number .* or a range"),
        (REST + 'programs = ["piano"]', "programs has 'piano'"),
        (REST + "programs = [-1]", "programs has -1"),
        (REST + "programs = [true]", "programs has True"),
        (REST + "programs = 5", "programs = 5 should be a list of programs"),
        (REST + 'names = "bass"', "names = 'bass' should be a list of patterns"),
        (REST + "names = [1]", "1 is no pattern; write words in quotes"),
        (REST + 'names = ["*"]', r"'\*' is no pattern; write words"),
        (REST + 'names = ["!"]', "is no pattern"),
        (REST + 'names = ["!@bass"]', "'@bass' is no pattern"),
        (REST + 'names = ["@banjo"]', "there is no group '@banjo'; use @drums, @percussion"),
        (REST + REST, "two slots are called 'all'; rename one"),
        (REST + REST.replace("all", "x"), "slots 'all' and 'x' both take the rest; only one can"),
        (REST.replace("true", "false"), "no slot takes the rest; give one rest = true, or"),
        ("leave_out = true\n" + REST, "leave_out contradicts slot 'all'"),
        ("leave_out = 1\n" + REST, "leave_out = 1 should be true or false"),
        (REST + "drums = true", "a drum slot takes only drums; leave out either drums or rest"),
        (REST + 'further = "x"', "slot 'all' passes further parts on to 'x'; name another slot"),
        (REST + 'further = "all"', "slot 'all' passes further parts on to 'all'"),
        (
            REST + 'further = "d"\n[[slot]]\nname = "d"\ndrums = true',
            "passes further parts on to 'd'; name another slot without drums",
        ),
        (
            REST + 'programs = ["24-31"]\n[[slot]]\nname = "x"\nprograms = [30]',
            "slots 'all' and 'x' both claim program 30; take it from one",
        ),
        (
            REST + 'names = ["bass*"]\n[[slot]]\nname = "x"\nnames = ["low", "Bass*"]',
            r"slots 'all' and 'x' both have 'Bass\*' in names; take it from one",
        ),
        (
            REST + 'always = ["@bass"]\n[[slot]]\nname = "x"\nalways = ["@bass"]',
            "slots 'all' and 'x' both have '.*' in always; take it from one",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_way_out(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(BadLineup, match=complaint) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "mine.toml") in str(caught.value)


def test_patterns_may_stand_in_always_beside_names_and_exclude_twice(tmp_path: Path) -> None:
    lineup = load(
        tmp_path,
        REST + 'names = ["bass*", "!bassoon"]\n'
        '[[slot]]\nname = "x"\nalways = ["bass*"]\nnames = ["low", "!bassoon"]',
    )
    assert placed(lineup, Part("Bass")) == [("x", "name")]


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(BadLineup, match=r"no lineup 'bnad'; use band, gm, kit, piano, quartet or"):
        load_lineup("bnad")


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadLineup, match=r"cannot read .*none\.toml: No such file"):
        load_lineup(tmp_path / "none.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(BadLineup, match=r"cannot read .*folder\.toml"):
        load_lineup(tmp_path / "folder.toml")
    (tmp_path / "latin.toml").write_bytes('name = "Flöte"'.encode("latin-1"))
    with pytest.raises(BadLineup, match=r"latin\.toml is no TOML in UTF-8"):
        load_lineup(tmp_path / "latin.toml")


def test_the_example_in_the_docs_works(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs" / "lineups.md"
    example = docs.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    assert load(tmp_path, example).slots[0].name == "tune"


def test_the_docs_name_every_key_reason_group_and_lineup() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "lineups.md").read_text(encoding="utf-8")
    instruments = (resources.files("woodshed.music") / "instruments.toml").read_text("utf-8")
    words = [
        *Slot.__dataclass_fields__,
        "leave_out",
        *get_args(Reason),
        *(f"@{group}" for group in tomllib.loads(instruments)),
        *shipped_lineups(),
    ]
    assert [word for word in words if f"`{word}`" not in docs] == []
