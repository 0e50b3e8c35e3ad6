"""Live Link Face's CSV: expressions, turns and times come back as they were written."""

from dataclasses import replace

import pytest
import torch

from stkit import face_models
from stkit.driving.live_link import read_live_link, timecode, write_live_link
from stkit.driving.tracked import read_tracked
from stkit.geometry import so3_exp, yaw_pitch_roll

NAMES = face_models.builtin().expression_names


def test_live_link_comes_back_as_it_was_written(capture, tmp_path):
    write_live_link(capture, tmp_path / "talk.csv")
    back = read_tracked(tmp_path / "talk.csv")
    k = NAMES.index("jawOpen")
    torch.testing.assert_close(back.beta[:, k], capture.beta[:, k].clamp(0, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        back.beta[:, :52], capture.beta[:, :52].clamp(0, 1), atol=1e-4, rtol=0
    )
    a, b = (yaw_pitch_roll(so3_exp(x)) for x in (back.rotation, capture.pose[:, :3]))
    torch.testing.assert_close(torch.stack(a), torch.stack(b), atol=1e-4, rtol=0)


@pytest.mark.parametrize("seconds", [1.5, 0.4, 61.0])
def test_a_clip_keeps_its_length(capture, tmp_path, seconds):
    times = 3.2 + torch.linspace(0, seconds, len(capture))
    write_live_link(replace(capture, times=times), tmp_path / "talk.csv")
    back = read_tracked(tmp_path / "talk.csv").times
    torch.testing.assert_close(back, times - times[0], atol=2e-3, rtol=0)


def test_timecodes_count_sixtieths():
    assert timecode(1.5) == "00:00:01:30.000"
    assert timecode(3723.0 + 10.25 / 60) == "01:02:03:10.250"
    assert timecode(0.9999999) == "00:00:01:00.000"


def csv_file(path, codes):
    rows = [f"{code},61,0.1,0" for code in codes]
    path.write_text("\n".join(["Timecode,BlendshapeCount,JawOpen,HeadYaw", *rows]) + "\n")
    return read_live_link(path).times


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
def test_the_rate_of_a_recording_is_found(tmp_path, rate):
    codes = [f"23:59:{58 + k // rate:02d}:{k % rate:02d}.250" for k in range(2 * rate)]
    codes += [f"00:00:00:{k:02d}.250" for k in range(rate // 2)]  # past midnight
    times = csv_file(tmp_path / "talk.csv", codes)
    torch.testing.assert_close(times, torch.arange(len(codes)) / rate, atol=1e-3, rtol=0)


@pytest.mark.parametrize("codes", [["a", "b", "c"], ["", "", ""], ["00:00:02:00", "00:00:01:00"]])
def test_without_timecodes_frames_are_a_sixtieth_apart(tmp_path, codes):
    times = csv_file(tmp_path / "talk.csv", codes)
    torch.testing.assert_close(times, torch.arange(len(codes)) / 60)
