"""What is exported is read back by the tools that it is for, and is exact."""

import contextlib
import io
import json
import struct
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from praxino.data.labels import coco
from praxino.data.labels.export import FORMATS, drawn, export
from praxino.data.labels.films import CATEGORIES, Source
from praxino.errors import InputError

SOURCE = Source(seed=3, frames=5, height=64, width=96)
FILMS = 12


@pytest.fixture(scope="module", name="films")
def _films():
    return list(drawn(SOURCE, FILMS, 1))


def written(films, folder, name):
    seen = []
    export(iter(films), folder, name, "train", seen.append)
    assert seen == list(range(1, len(films) + 1))
    licence = (folder / "LICENCE.txt").read_text()
    assert ("CC0" in licence) == (films[0].scene is not None)
    return folder


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_masks_are_packed_as_cocos_own_tools_do(density):
    mask_tools = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for size in ((1, 1), (7, 5), (64, 96), (300, 200)):
        mask = cv2.blur(rng.random(size), (3, 3)) < density
        ours = coco.encode(mask)
        theirs = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert ours["counts"].encode() == theirs["counts"]
        assert ours["size"] == theirs["size"]


def test_a_perfect_detector_scores_one_by_cocos_own_tools(films, tmp_path):
    tools = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    folder = written(films, tmp_path / "coco", "coco")
    path = folder / "annotations" / "instances_train.json"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = tools.COCO(str(path))
        perfect = truth.loadRes(
            [
                {key: one[key] for key in ("image_id", "category_id", "bbox", "segmentation")}
                | {"score": 1.0}
                for one in truth.dataset["annotations"]
            ]
        )
        for kind in ("bbox", "segm"):
            result = evaluation.COCOeval(truth, perfect, kind)
            result.evaluate()
            result.accumulate()
            result.summarize()
            assert result.stats[0] == pytest.approx(1.0)
            assert result.stats[8] == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of its decoder
def test_boxes_and_masks_of_coco_are_those_that_were_drawn(films, tmp_path):
    mask_tools = pytest.importorskip("pycocotools.mask")
    folder = written(films, tmp_path / "coco", "coco")
    tree = json.loads((folder / "annotations" / "instances_train.json").read_text())
    assert len(tree["images"]) == FILMS * SOURCE.frames
    assert {one["id"] for one in tree["annotations"]} == set(range(1, len(tree["annotations"]) + 1))
    images = {one["id"]: one for one in tree["images"]}
    tracks: dict[int, set[tuple[int, int]]] = {}
    for one in tree["annotations"]:
        image = images[one["image_id"]]
        film = films[image["video_id"] - 1]
        mask = mask_tools.decode(one["segmentation"]).astype(bool)
        visible = film.masks.visible[:, image["frame_id"]]
        assert any(np.array_equal(mask, own) for own in visible)
        assert one["area"] == mask.sum()
        assert one["bbox"] == mask_tools.toBbox(one["segmentation"]).tolist()
        tracks.setdefault(one["track_id"], set()).add((image["video_id"], one["category_id"]))
    assert all(len(kinds) == 1 for kinds in tracks.values())
    with Image.open(folder / "images" / tree["images"][7]["file_name"]) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), films[1].frames[2])


def test_a_perfect_tracker_scores_a_hundred_by_motchallenges_own_tools(films, tmp_path):
    trackeval = pytest.importorskip("trackeval")
    folder = written(films, tmp_path / "mot", "mot")
    results = tmp_path / "results" / "mot-train" / "perfect" / "data"
    results.mkdir(parents=True)
    for film in films:
        truth = (folder / "train" / film.name / "gt" / "gt.txt").read_text().splitlines()
        rows = [",".join(row.split(",")[:6]) + ",1,-1,-1,-1" for row in truth]
        (results / f"{film.name}.txt").write_text("\n".join(rows))
    with contextlib.redirect_stdout(io.StringIO()):
        settings = trackeval.datasets.MotChallenge2DBox.get_default_dataset_config()
        settings |= {
            "GT_FOLDER": str(folder / "train"),
            "TRACKERS_FOLDER": str(results.parent.parent),
            "SEQMAP_FILE": str(folder / "seqmaps" / "train.txt"),
            "SKIP_SPLIT_FOL": True,
            "DO_PREPROC": False,
            "PRINT_CONFIG": False,
        }
        dataset = trackeval.datasets.MotChallenge2DBox(settings)
        talk = ("PRINT_RESULTS", "PRINT_CONFIG", "OUTPUT_SUMMARY", "OUTPUT_DETAILED",
                "PLOT_CURVES", "TIME_PROGRESS")  # fmt: skip
        quiet = dict.fromkeys(talk, False)
        metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR()]
        found, _ = trackeval.Evaluator(
            trackeval.Evaluator.get_default_eval_config() | quiet
        ).evaluate([dataset], metrics)
    scores = found["MotChallenge2DBox"]["perfect"]["COMBINED_SEQ"]["pedestrian"]
    assert scores["HOTA"]["HOTA"].mean() == pytest.approx(1.0)
    assert scores["CLEAR"]["MOTA"] == pytest.approx(1.0)


def test_rows_of_mot_are_counted_from_one(films, tmp_path):
    folder = written(films, tmp_path / "mot", "mot")
    info = (folder / "train" / films[0].name / "seqinfo.ini").read_text()
    assert "seqLength=5" in info
    assert "imWidth=96" in info
    for film in films:
        place = folder / "train" / film.name
        kinds = (place / "gt" / "kinds.txt").read_text().splitlines()
        assert len(kinds) == len(film.tracks)
        for row in (place / "gt" / "gt.txt").read_text().splitlines():
            frame, track, left, top, width, height, use, kind, share = map(float, row.split(","))
            box = film.tracks[int(track) - 1].boxes[int(frame) - 1]
            assert [left - 1, top - 1, width, height] == box.tolist()
            assert (use, kind) == (1, 1)
            assert 0 < share <= 1


def test_boxes_of_yolo_come_back(films, tmp_path):
    folder = written(films, tmp_path / "yolo", "yolo")
    text = (folder / "data.yaml").read_text()
    assert "val: images/val" in text
    assert "path" not in text  # it is beside them
    assert f"{len(CATEGORIES) - 1}: {CATEGORIES[-1]}" in text
    assert (folder / "images/val" / f"{films[9].name}-000001.png").exists()
    for film in films[:9]:
        for frame in range(SOURCE.frames):
            path = folder / "labels/train" / f"{film.name}-{frame + 1:06d}.txt"
            rows = [list(map(float, row.split())) for row in path.read_text().splitlines()]
            masks = [mask[frame] for mask in film.masks.visible if mask[frame].any()]
            assert len(rows) == len(masks)
            for (kind, x, y, width, height), mask in zip(rows, masks, strict=True):
                inside = np.argwhere(mask)
                low, high = inside.min(0), inside.max(0) + 1
                assert (y - height / 2) * 64 == pytest.approx(low[0], abs=1e-3)
                assert (y + height / 2) * 64 == pytest.approx(high[0], abs=1e-3)
                assert (x - width / 2) * 96 == pytest.approx(low[1], abs=1e-3)
                assert 0 <= kind < len(CATEGORIES)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of webdataset
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_shards_are_read_by_webdataset(films, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    folder = written(films, tmp_path / "tar", "webdataset")
    rows = list(webdataset.WebDataset(str(folder / "train-000000.tar"), shardshuffle=False))
    assert [row["__key__"] for row in rows] == [film.name for film in films]
    for row, film in zip(rows, films, strict=True):
        ids = np.load(io.BytesIO(row["ids.npy"]))
        for number, visible in enumerate(film.masks.visible, 1):
            assert np.array_equal(ids == number, visible)
        about = json.loads(row["json"])
        assert about["caption"] == film.caption == row["txt"].decode()
        assert [one["kind"] for one in about["things"]] == [one.kind for one in film.tracks]
    again = written(films, tmp_path / "again", "webdataset")
    assert (again / "train-000000.tar").read_bytes() == (folder / "train-000000.tar").read_bytes()


def test_kittis_and_sintels_files_hold_the_same_flow(films, tmp_path):
    kitti = written(films[:2], tmp_path / "kitti", "kitti-flow")
    sintel = written(films[:2], tmp_path / "sintel", "sintel-flow")
    pairs = SOURCE.frames - 1
    assert len(list((kitti / "flow_occ").iterdir())) == 2 * pairs
    for number in range(2 * pairs):
        film, frame = films[number // pairs].name, number % pairs + 1
        packed = cv2.imread(str(kitti / f"flow_occ/{number:06d}_10.png"), cv2.IMREAD_UNCHANGED)
        assert packed.dtype == np.uint16
        valid = packed[..., 0] == 1
        own = (packed[..., [2, 1]].astype(np.float64) - 2**15) / 64
        content = (sintel / f"flow/{film}/frame_{frame:04d}.flo").read_bytes()
        magic, width, height = struct.unpack("<fii", content[:12])
        assert (round(magic, 2), width, height) == (202021.25, 96, 64)
        flow = np.frombuffer(content[12:], "<f4").reshape(height, width, 2)
        with Image.open(sintel / f"invalid/{film}/frame_{frame:04d}.png") as picture:
            assert np.array_equal(np.asarray(picture) == 0, valid)
        assert np.abs(own - flow)[valid].max(initial=0) <= 0.5 / 64 + 1e-6
        seen = cv2.imread(str(kitti / f"flow_noc/{number:06d}_10.png"), cv2.IMREAD_UNCHANGED)
        assert not ((seen[..., 0] == 1) & ~valid).any()


def test_points_are_the_arrays_of_tap_vid(films, tmp_path):
    folder = written(films[:2], tmp_path / "tap", "tap")
    for film in films[:2]:
        with zipfile.ZipFile(folder / f"{film.name}.npz") as packed:
            assert packed.testzip() is None
        arrays = np.load(folder / f"{film.name}.npz", allow_pickle=False)
        assert np.array_equal(arrays["video"], film.frames)
        assert arrays["points"].shape == (*arrays["occluded"].shape, 2)
        assert arrays["points"].dtype == np.float32
        visible = arrays["points"][~arrays["occluded"]]
        assert ((visible >= 0) & (visible < 1)).all()


def test_nearer_things_have_larger_ranks(films, tmp_path):
    folder = written(films, tmp_path / "depth", "depth")
    for film in films:
        with Image.open(folder / "ranks" / film.name / "000003.png") as picture:
            ranks = np.asarray(picture)
        for mask in film.masks.visible[:, 2]:
            if mask.any():
                assert len(set(ranks[mask].tolist())) == 1
                assert ranks[mask][0] >= 1
        assert not ranks[~film.masks.visible[:, 2].any(0)].any()


@pytest.mark.parametrize("name", FORMATS)
def test_films_of_a_model_have_weak_labels(films, tmp_path, name):
    from praxino.data.diorama.layouts import layout_of
    from praxino.data.labels.films import weakly_labelled
    from praxino.storage.media.video import Video

    film = next(one for one in films if one.tracks)
    video = Video(film.frames, 8.0)
    weak = weakly_labelled(video, layout_of(film.scene), "painted", "a dog")
    for thing in weak.tracks:
        left, top, width, height = thing.boxes.T
        assert (left >= 0).all()
        assert (left + width <= 96).all()
        assert (top + height <= 64).all()
    if FORMATS[name].exact:
        with pytest.raises(InputError, match="needs exact masks"):
            export(iter([weak]), tmp_path / "out", name, "train", lambda done: None)
        assert not (tmp_path / "out").exists()
    else:
        written([weak], tmp_path / "out", name)


def test_a_folder_that_holds_something_is_left_alone(films, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        export(iter(films), tmp_path, "coco", "train", lambda done: None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
