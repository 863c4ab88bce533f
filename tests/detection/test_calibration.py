"""When there is no verdict, and which clips a clip is like."""

import pytest

from praxino.data.conditions import Condition
from praxino.data.degrade import compressed
from praxino.detection.calibration import COMPRESSED_BLOCKINESS, KINDS, condition, reliability
from praxino.detection.detector import bundled_detector, detect
from praxino.detection.fusion import Bin, ConditionResult, Fusion
from praxino.detection.sufficiency import (
    MAX_BLOCKINESS,
    MIN_FRAMES,
    block_map,
    missing_evidence,
)
from praxino.detection.view import view_of
from praxino.storage.media.info import MediaInfo
from support.footage import textured, write


def about(side: int = 480, codec: str = "h264", oddities: tuple[str, ...] = ()) -> MediaInfo:
    return MediaInfo(side * 2, side, 24.0, 2.0, codec, 10_000, oddities)


def seen(frames: int = 16, fps: float = 8.0):
    return [view_of(textured(frames, 128, 128), fps)]


@pytest.mark.parametrize(
    ("found", "views", "blocks", "like"),
    [
        (about(), seen(), 0.1, "native"),
        (about(), seen(), COMPRESSED_BLOCKINESS + 0.05, "crf 35"),
        (about(oddities=("256 colours",)), seen(), 0.1, "gif"),
        (about(), seen(16, 4.0), 0.1, "half rate"),
        (about(), seen(11), 0.1, "12 frames"),
        (about(), seen(MIN_FRAMES), 0.1, "8 frames"),
        (about(140), seen(), 0.1, "scale 0.5"),
        (about(140), seen(), COMPRESSED_BLOCKINESS + 0.05, "crf 28, scale 0.5"),
    ],
)
def test_a_clip_is_like_what_it_is_first(found, views, blocks, like):
    assert condition(found, views, blocks) == like
    assert missing_evidence(found, views, blocks) == ()


def test_blocks_leave_no_verdict(tmp_path):
    assert "heavily compressed" in missing_evidence(about(), seen(), MAX_BLOCKINESS + 0.05)[0]
    said = detect(write(tmp_path / "a.mp4", compressed(textured(16, 192, 192), 49)))
    assert said.probability is None
    assert any("heavily compressed" in reason for reason in said.reasons)


def test_every_kind_was_measured():
    names = {condition.name for condition in bundled_detector().conditions}
    assert names & set(KINDS) >= {"native", "half rate", "crf 28, scale 0.5"}
    assert bundled_detector().fitted


def test_reliability_speaks_of_the_answer_and_of_the_clip():
    rows = (
        Bin(low=0.0, high=0.5, clips=10, generated=1),
        Bin(low=0.5, high=1.0, clips=20, generated=15),
    )
    fitted = bundled_detector().usual.model_copy(update={"table": rows})
    assert isinstance(fitted, Fusion)
    asked = bundled_detector().model_copy(
        update={"conditions": (ConditionResult(name="gif", auc=0.8, right=0.75, definite=0.6),)}
    )
    said = reliability(0.7, fitted, asked, Condition.GIF)
    # 15 of 16 generated ones and 5 of 14 others have such answers: 0.94 / (0.94 + 0.36)
    assert (
        "of clips with answers from 50% to 100% (there were 20), 72% were generated, if half of "
        "all clips are" in said
    )
    assert "of clips of 256 colours, 60% got a verdict, and 75% of these were right" in said
    # of 1,000 clips, 10 x 15/16 and 990 x 5/14 would get such an answer
    assert "about 363 would be called generated, 9 of them generated" in said
    assert reliability(0.7, fitted.model_copy(update={"table": ()}), asked, Condition.NATIVE) == ""


def test_blocks_are_found_where_they_are():
    film = textured(17, 128, 192)
    half = film[:, :, :96] // 8 * 8
    means = half.reshape(17, 16, 8, 12, 8, 3).mean((2, 4))
    film[:, :, :96] = means.repeat(8, axis=1).repeat(8, axis=2)
    found = block_map(view_of(film, 8.0))
    assert found.shape == (4, 6)
    assert found[:, :3].min() > found[:, 3:].max() + 1
