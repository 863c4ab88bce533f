"""Reports, pages and folders: an answer or a reason for every file."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import praxino
from praxino.detection import batch, detector, html, view
from praxino.detection.detector import detect, examine
from praxino.detection.evidence import FAMILIES, SCORED
from praxino.detection.report import Report, to_text
from praxino.detection.sufficiency import missing_evidence
from praxino.errors import CheckpointError, InputError, MediaError
from praxino.provenance import stamp
from praxino.storage.media.frames import probe
from support.footage import ball, sound, textured, write


@pytest.fixture(scope="session", name="film")
def _film(tmp_path_factory: pytest.TempPathFactory):
    return write(tmp_path_factory.mktemp("films") / "film.mp4", textured(20, 160, 200), fps=8)


@pytest.fixture(scope="session", name="found")
def _found(film):
    return examine(film)


def test_a_report_says_everything_in_plain_values(film, found):
    said = found.report
    assert praxino.detect is detect
    assert praxino.Report is Report
    assert said.verdict in ("likely camera", "inconclusive", "likely generated")
    assert 0 <= said.probability <= 1
    assert [seen.family for seen in said.families] == list(FAMILIES)
    assert (said.width, said.height, said.fps) == (200, 160, 8.0)
    parts = [seen.log_odds for seen in said.families if seen.family in SCORED]
    assert all(seen.log_odds is None for seen in said.families if seen.family not in SCORED)
    assert all(seen.above is not None for seen in said.families)
    assert np.log(said.probability / (1 - said.probability)) == pytest.approx(
        said.base + sum(parts), abs=1e-6
    )
    assert Report.model_validate_json(json.dumps(said.model_dump())) == said
    text = to_text(said)
    assert str(film) in text
    assert all(family in text for family in FAMILIES)


def test_the_same_file_gets_the_same_answer(film, found):
    assert detect(film) == found.report


def test_what_is_thin_gets_no_verdict(tmp_path):
    across = np.linspace(0, 200, 128, dtype=np.uint8)
    gradient = np.stack(
        [np.tile(across[None, :, None] + 3 * index, (128, 1, 3)) for index in range(16)]
    ).astype(np.uint8)
    short = detect(write(tmp_path / "short.mp4", textured(6, 128, 128)))
    assert (short.verdict, short.probability, short.reliability) == ("inconclusive", None, "")
    assert "too short" in short.reasons[0]
    cases = {
        "small": (textured(16, 64, 64), "too small"),
        "plain": (gradient, "hardly any texture"),
        "still": (np.repeat(textured(1, 128, 128), 16, axis=0), "hardly anything moves"),
    }
    for name, (film, reason) in cases.items():
        path = write(tmp_path / f"{name}.mp4", film)
        found = missing_evidence(probe(path), list(view.views(path, probe(path))), 0.0)
        assert any(reason in each for each in found), (name, found)


def test_one_picture_is_no_film(tmp_path):
    Image.fromarray(textured(1)[0]).save(tmp_path / "a.png")
    said = detect(tmp_path / "a.png")
    assert (said.verdict, said.probability) == ("inconclusive", None)
    assert "too short: 1 of 8 frames" in said.reasons[0]
    assert "<h1>This cannot be told.</h1>" in html.page(examine(tmp_path / "a.png"))


def test_the_claim_of_a_file_is_told_beside_the_answer(tmp_path):
    video = praxino.Video(textured(16, 128, 128), 8.0, {"model": "diorama", "praxino": "0.1"})
    said = detect(video.save(tmp_path / "a.mp4"))
    assert "record of having been made by Praxino" in said.says
    assert "no part of the answer" in html.page(examine(tmp_path / "a.mp4"))


def test_mark_and_signature_are_told_first(praxino, tmp_path):
    plain = write(tmp_path / "a.mp4", textured(16, 160, 160))
    stamp.stamp(plain, tmp_path / "b.mp4", model="Veo 3")
    code, out, err = praxino("detect", tmp_path / "b.mp4", "-o", tmp_path / "page.html")
    assert code == 0, err
    first, second = out.splitlines()[:2]
    assert "declared as made by a model" in first
    assert "watermark: found" in first
    assert second.startswith(f"{tmp_path / 'b.mp4'}: ")
    page = (tmp_path / "page.html").read_text()
    assert page.index("stamped in") < page.index("How reliable")
    assert not praxino("detect", plain)[1].startswith(f"{plain}: signature")


def test_a_page_asks_for_nothing_from_outside(found):
    text = html.page(found)
    assert "<script" not in text
    assert all(
        source.startswith("data:image/jpeg;base64,")
        for source in re.findall(r"src='([^']*)'", text)
    )
    assert not re.search(r"(?:href|url\()", text)
    assert "http" not in re.sub(r"base64,[^']*", "", text)
    for said in ("What could fool it", "The eye", "Tiling", "Hands", "Light without a source"):
        assert said in text


def test_names_in_a_page_are_only_text(tmp_path, film):
    bad = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    shutil.copy(film, bad)
    assert "<img src=x" not in html.page(examine(bad))


def test_a_damaged_fusion_is_named(tmp_path, monkeypatch):
    (tmp_path / "fusion.json").write_text("{}")
    monkeypatch.setattr(detector, "DETECTOR", tmp_path)
    detector.bundled_detector.cache_clear()
    with pytest.raises(CheckpointError, match=r"fusion\.json"):
        detector.bundled_detector()
    detector.bundled_detector.cache_clear()


@pytest.fixture(scope="session", name="mixed")
def _mixed(tmp_path_factory: pytest.TempPathFactory, film):
    """A folder as users have them."""
    home = tmp_path_factory.mktemp("mixed")
    shutil.copy(film, home / "film.mp4")
    (home / "deep").mkdir()
    write(
        home / "deep" / "ball.webm",
        ball([(0.2 + 0.03 * i, 0.5) for i in range(12)], 120, 9),
        codec="libvpx-vp9",
    )
    (home / "text.mp4").write_text("no film")
    sound(home / "song.mp4")
    (home / "notes.txt").write_text("not looked at")
    (home / ".hidden.mp4").write_text("not looked at")
    (home / "empty").touch()
    return home


def test_a_folder_goes_on_whatever_is_in_it(mixed, tmp_path):
    paths = batch.films(mixed)
    assert [path.name for path in paths] == ["ball.webm", "film.mp4", "song.mp4", "text.mp4"]
    found = {report.path: report for report in batch.detect_all(paths, 2)}
    assert len(found) == 4
    assert found[str(mixed / "text.mp4")].verdict == "unreadable"
    assert "only sound" in found[str(mixed / "song.mp4")].reasons[0]
    batch.write_table(tmp_path / "a.csv", list(found.values()))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(
        "path,verdict,probability,temporal,physics,frequency,latent,patches,reasons"
    )
    batch.write_table(tmp_path / "a.json", list(found.values()))
    assert len(json.loads((tmp_path / "a.json").read_text())) == 4
    with pytest.raises(InputError, match=r"\.csv or \.json"):
        batch.write_table(tmp_path / "a.txt", [])


def test_a_stopped_folder_is_gone_on_with(mixed, tmp_path, monkeypatch):
    paths, journal = batch.films(mixed), tmp_path / "a.csv.part"
    first = batch.detect_all(paths, 1, journal)
    done = [next(first), next(first)]
    first.close()
    journal.write_text(journal.read_text() + '\n{"stamp": "cut o')
    asked = []
    monkeypatch.setattr(
        batch,
        "answer",
        lambda path, target, threads: (
            asked.append(path) or Report(path=str(path), verdict="unreadable")
        ),
    )
    rest = list(batch.detect_all(paths, 1, journal))
    assert rest[:1] == done[:1]
    assert len(rest) == 4
    assert len(asked) == 2


def test_batches_are_columns(film, tmp_path):
    found = batch.rows({"path": [str(film), str(tmp_path / "none.mp4")]})
    assert list(found) == list(batch.COLUMNS)
    assert found["verdict"][1] == "unreadable"
    assert isinstance(found["probability"][0], float)


def test_a_file_that_cannot_be_jumped_into_costs_no_more_than_its_share(tmp_path, monkeypatch):
    # one key frame, at the beginning
    path = write(tmp_path / "a.mp4", textured(64, 128, 128), fps=8)
    starts = [float(each.times[0]) for each in view.views(path, probe(path))]
    assert len(starts) == 4
    monkeypatch.setattr(view, "DECODE_BUDGET_PIXELS", 128.0 * 128 * 24)
    part = detect(path)
    assert [start for start, _ in part.windows] == starts[: len(part.windows)]
    assert f"{len(part.windows)} of 4 windows could be read" in part.oddities


def test_a_finished_answer_is_not_taken_from_another_detector(film, tmp_path, monkeypatch):
    journal = tmp_path / "a.csv.part"
    list(batch.detect_all([film], 1, journal))
    assert len(list(batch._read_journal(journal))) == 1
    monkeypatch.setattr(batch, "edition", lambda: "another")
    asked = []
    monkeypatch.setattr(
        batch,
        "answer",
        lambda path, *_, **__: asked.append(path) or Report(path=str(path), verdict="unreadable"),
    )
    list(batch.detect_all([film], 1, journal))
    assert asked == [film]


def test_names_that_are_no_text_are_answered_too(film, tmp_path):
    odd = tmp_path / os.fsdecode(b"b\xff.mp4")
    shutil.copy(film, odd)
    said = batch.answer(odd, tmp_path / "a.html")
    assert said.verdict != "unreadable"
    batch.write_table(tmp_path / "a.csv", [said])
    assert json.loads(said.model_dump_json())["path"].endswith("b\ufffd.mp4")


def test_pages_stay_in_their_folder(tmp_path):
    (tmp_path / "a").mkdir()
    paths = [tmp_path / "a" / ".." / "v.mp4", tmp_path / "a" / "w.mp4"]
    for page_name in batch.page_names(paths, tmp_path / "pages").values():
        assert (tmp_path / "pages") in page_name.resolve().parents


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(InputError, match="no films"):
        batch.films(tmp_path)


def test_the_verb(praxino, film, mixed, tmp_path):
    code, out, err = praxino("detect", film, "-o", tmp_path / "page.html", "--json")
    assert code == 0, err
    assert json.loads(out)["path"] == str(film)
    assert (tmp_path / "page.html").stat().st_size > 50_000
    _, out, _ = praxino("detect", film, "-o", tmp_path / "one.json", "--json")
    assert json.loads((tmp_path / "one.json").read_text()) == json.loads(out)
    code, out, err = praxino(
        "detect",
        mixed,
        "-o",
        tmp_path / "table.csv",
        "--pages",
        tmp_path / "pages",
        "--processes",
        1,
    )
    assert code == 0, err
    assert "2 unreadable" in out
    assert not (tmp_path / "table.csv.part").exists()
    assert sorted(path.name for path in (tmp_path / "pages").rglob("*.html")) == [
        "ball.webm.html",
        "film.mp4.html",
    ]
    assert (tmp_path / "pages" / "deep" / "ball.webm.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.mp4"], "no such file"),
        (["{film}", "-o", "a.txt"], "must end in .html"),
        (["{home}", "-o", "a.html"], ".csv"),
        (["{film}", "-o", "a.html", "--pages", "pages"], "either --output or --pages"),
        (["{home}/empty"], "is empty"),
    ],
)
def test_the_verb_says_what_is_wrong(praxino, film, mixed, arguments, said):
    code, _, err = praxino("detect", *(each.format(film=film, home=mixed) for each in arguments))
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_errors_are_media_errors(tmp_path):
    with pytest.raises(MediaError):
        detect(tmp_path / "none.mp4")
