from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from conftest import grey_video, track

from stkit.capture import Capture, choose_neutral, sampling_probabilities
from stkit.capture.frame_choice import choose_held_out
from stkit.capture.preprocess import PreprocessSettings
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66, eye_opening, mouth_opening
from stkit.geometry import so3_exp, yaw_pitch_roll
from stkit.io.video import VideoError, frames_at, read_video, write_video
from stkit.metrics.pictures import correlation, nme
from stkit.space import skin_weight, to_world
from stkit.synthetic.subject import film, make_subject, named_subject


def encode(path, frames, times=None, rotation=0):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round(1000 * (k / 25 if times is None else times[k]))
            frame.time_base = Fraction(1, 1000)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)


def landmark_error(capture):
    """Mean distance of the tracked landmarks from the detected ones, in eye distances."""
    eye = (capture.landmarks[:, 36, :2] - capture.landmarks[:, 45, :2]).norm(dim=1)
    tracked = capture.camera.project(capture.landmarks3d)
    return nme(tracked, capture.landmarks[:, KEPT_66, :2], eye).mean()


def test_tracking_follows_the_truth_of_the_synthetic_subject(capture):
    subject = named_subject("synthetic", len(capture))
    assert landmark_error(capture) < 0.05
    yaw = yaw_pitch_roll(so3_exp(capture.pose[:, :3]))[0]
    true_yaw = yaw_pitch_roll(so3_exp(subject.performance.pose[:, :3]))[0]
    assert (yaw - true_yaw).abs().mean() < np.radians(4)
    true_mouth = mouth_opening(torch.stack([subject.landmarks(t) for t in range(len(capture))]))
    assert correlation(true_mouth, mouth_opening(capture.landmarks[..., :2])) > 0.8
    matte = torch.stack([capture.matte(t) for t in range(0, 24, 6)])
    truth = torch.stack([subject.render(t, capture.camera)[1] for t in range(0, 24, 6)])
    assert (matte - truth).abs().mean() < 0.03


def test_capture_survives_its_file(capture, tmp_path):
    capture.save(tmp_path / "c.npz")
    back = Capture.load(tmp_path / "c.npz")
    assert torch.equal(back.beta, capture.beta)
    assert np.array_equal(back.frames, capture.frames)
    assert back.neutral == capture.neutral
    (tmp_path / "broken.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:5000])
    with pytest.raises(ValueError, match="broken.npz"):
        Capture.load(tmp_path / "broken.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="not a capture"):
        Capture.load(tmp_path / "other.npz")


def test_split_keeps_the_end_unseen(capture):
    train, test = capture.split()
    assert test == list(range(19, 24)) and train == list(range(19)) and not set(train) & set(test)


def test_held_out_frames_may_be_the_furthest_turns_or_expressions(capture):
    pose, beta = torch.zeros(20, 6), torch.zeros(20, 52)
    pose[[3, 4, 11], 1] = torch.tensor([0.5, 0.6, -0.7])
    pose[8, 3] = 9.0  # moved, not turned
    beta[[1, 2, 17], [0, 5, 9]] = torch.tensor([2.0, 1.5, 3.0])
    times = torch.arange(20) / 10
    assert choose_held_out("from:1.7", beta, pose, times) == [17, 18, 19]
    for wrong in ("from:0", "from:2", "from:x", "middle"):
        with pytest.raises(RequestError, match="held-out frames"):
            choose_held_out(wrong, beta, pose, times)
    assert set(choose_held_out("turn", beta, pose, times)) >= {3, 4, 11}
    assert set(choose_held_out("expression", beta, pose, times)) >= {1, 2, 17}
    assert choose_held_out("end", beta, pose, times) == [16, 17, 18, 19]
    test = choose_held_out("turn", beta, pose, times)
    train, unseen = replace(capture, held_out=torch.tensor(test)).split()
    assert unseen == test and not set(train) & set(test)
    assert len(train) + len(test) == len(capture)


def test_points_above_the_neck_follow_the_head_and_below_the_chest(capture):
    points = torch.tensor([[0.0, 0.5, 0.2], [0.0, -2.5, 0.0]])
    assert skin_weight(points)[:, 0].tolist() == [1.0, 0.0]
    place = capture.frame_pose(0)
    turned = replace(place, pose=place.pose + torch.tensor([0, 0.4, 0, 0.1, 0, 0]))
    a, b = to_world(points, place), to_world(points, turned)
    assert (a[0] - b[0]).norm() > 0.1 and (a[1] - b[1]).norm() < 1e-5


def test_neutral_prefers_calm_and_frontal():
    beta, pose = torch.ones(4, 64), torch.zeros(4, 6)
    beta[2] *= 0.1
    beta[3] *= 0.05
    pose[3, 1] = 0.6
    mouth = torch.zeros(4)
    lids = torch.full((4,), 0.3)
    assert choose_neutral(beta, pose, mouth, lids) == 2
    mouth[2:] = 0.9
    # an open mouth is not neutral, however small its |beta|
    assert choose_neutral(beta, pose, mouth, lids) in (0, 1)
    lids[0] = 0.05  # nor is a shut eye
    assert choose_neutral(beta, pose, mouth, lids) == 1


def test_rare_frames_are_drawn_more_often(capture):
    frames = capture.split()[0]
    even = sampling_probabilities(capture, frames, 0.0)
    mixed = sampling_probabilities(capture, frames, 0.5)
    assert torch.allclose(even, torch.full_like(even, 1 / len(frames)))
    assert mixed.sum().item() == pytest.approx(1, abs=1e-5)
    assert mixed.min() >= 0.5 / len(frames)
    lids = eye_opening(capture.landmarks[frames][..., :2])
    blink, common = int(lids.argmin()), int((lids - lids.median()).abs().argmin())
    assert lids[blink] < 0.6 * lids.median(), "the script blinks"
    assert mixed[blink] > 1.5 * mixed[common]


def test_bad_input_is_named_and_explained(tmp_path):
    (tmp_path / "notes.mp4").write_text("this is not a video")
    encode(tmp_path / "short.mp4", grey_video(3))
    encode(tmp_path / "empty_room.mp4", grey_video(12))
    (tmp_path / "folder").mkdir()
    settings = PreprocessSettings(size=64, max_frames=12)
    for name, says in (
        ("missing.mp4", "no such file"),
        ("notes.mp4", "not a video that can be read"),
        ("short.mp4", "3 frames are too few"),
        ("folder", "holds no images"),
        ("empty_room.mp4", "a face was found in only 0 of 12 frames"),
    ):
        with pytest.raises(VideoError, match=says) as caught:
            track(tmp_path / name, settings)
        assert name in str(caught.value)


def test_a_sound_file_is_not_a_video(tmp_path):
    import wave

    with wave.open(str(tmp_path / "sound.wav"), "wb") as f:
        f.setnchannels(1), f.setsampwidth(2), f.setframerate(8000), f.writeframes(b"\0\0" * 800)
    with pytest.raises(VideoError, match="no video stream"):
        read_video(tmp_path / "sound.wav", 10)


@pytest.fixture(scope="module")
def filmed():
    subject = make_subject(10, 12)
    return np.stack([(film(subject, 192, t) * 255).byte().numpy() for t in range(12)])


def test_wide_frames_are_cropped_around_the_face(filmed, tmp_path):
    wide = np.full((12, 192, 480, 3), 110, np.uint8)
    wide[:, :, 250:442] = filmed
    encode(tmp_path / "wide.mp4", wide)
    capture, _ = track(
        tmp_path / "wide.mp4",
        PreprocessSettings(size=96, max_frames=12, fit_steps=60, refine_steps=0),
    )
    assert capture.frames.shape == (12, 96, 96, 3)
    assert 30 < capture.landmarks[:, 30, 0].mean() < 66


def test_faceless_frames_are_dropped_and_listed(filmed, tmp_path, capsys):
    frames = np.concatenate([filmed, np.full((3, 192, 192, 3), 90, np.uint8)])
    encode(tmp_path / "gap.mp4", frames)
    capture, _ = track(
        tmp_path / "gap.mp4",
        PreprocessSettings(size=96, max_frames=15, fit_steps=40, refine_steps=0),
    )
    assert "no face in" in capsys.readouterr().out and 12 <= len(capture) < 15


def test_two_faces_are_warned_about(filmed, tmp_path, capsys):
    encode(tmp_path / "two.mp4", np.concatenate([filmed, filmed], 2))
    track(
        tmp_path / "two.mp4",
        PreprocessSettings(size=96, max_frames=12, fit_steps=40, refine_steps=0),
    )
    assert "a second face from frame" in capsys.readouterr().out


def test_uneven_frame_times_are_noted(filmed, tmp_path, capsys):
    times = np.cumsum([0.04] * 6 + [0.9] + [0.04] * 5)
    encode(tmp_path / "vfr.mp4", filmed, times)
    frames, read = read_video(tmp_path / "vfr.mp4", 20)
    assert len(frames) == 12 and np.diff(read).max() > 0.5 and "jump" in capsys.readouterr().out


def test_rotation_is_applied(tmp_path, monkeypatch):
    from stkit.io import video

    class Rotated:
        width, height, rotation = 4, 2, -90

        def reformat(self, width, height, format):
            return self

        def to_ndarray(self):
            return np.arange(24, dtype=np.uint8).reshape(2, 4, 3)

    upright = video._upright(Rotated())
    assert np.array_equal(upright, np.rot90(Rotated().to_ndarray(), -1))


def test_large_frames_are_shrunk_on_reading(tmp_path):
    encode(tmp_path / "big.mp4", np.full((8, 1600, 1200, 3), 60, np.uint8))
    frames, _ = read_video(tmp_path / "big.mp4", 8)
    assert frames.shape == (8, 1280, 960, 3)


def test_folders_of_images_are_clips(filmed, tmp_path):
    from PIL import Image

    for k, image in enumerate(filmed):
        Image.fromarray(image).save(tmp_path / f"{k:03d}.png")
    frames, times = read_video(tmp_path, 12)
    assert np.array_equal(frames, filmed) and len(times) == 12
    Image.fromarray(filmed[0, :100]).save(tmp_path / "zzz.png")
    with pytest.raises(VideoError, match="zzz.png"):
        read_video(tmp_path, 40)


def test_written_video_is_h264_and_reads_back(tmp_path):
    levels = np.linspace(0, 255, 10)[:, None, None, None]
    frames = (levels * np.ones((1, 66, 50, 3))).astype(np.uint8)
    write_video(tmp_path / "x.mp4", frames)
    with av.open(str(tmp_path / "x.mp4")) as f:
        codec = f.streams.video[0].codec_context
        assert codec.name == "h264" and codec.pix_fmt == "yuv420p"
    back, _ = read_video(tmp_path / "x.mp4", 10)
    assert np.abs(back.astype(int) - frames).mean() < 6


def test_real_footage_tracks_within_four_percent(clips):
    capture, _ = track(
        clips / "clip_e.mp4",
        PreprocessSettings(size=192, max_frames=24, fit_steps=250, refine_steps=200),
    )
    assert landmark_error(capture) < 0.04
    assert 0.25 < np.mean(capture.mattes > 127) < 0.9


def test_decoders_have_no_thread_for_every_frame(tmp_path, monkeypatch):
    """With one, closing a film before its end now and then waited for ever."""
    decoders = []
    open_film = av.open

    def open_and_keep(*arguments, **options):
        film = open_film(*arguments, **options)
        decoders.append(film.streams.video[0].codec_context)
        return film

    write_video(tmp_path / "x.mp4", np.full((12, 32, 32, 3), 9, np.uint8))
    monkeypatch.setattr(av, "open", open_and_keep)
    frames_at(tmp_path / "x.mp4", [0.0])
    read_video(tmp_path / "x.mp4", 8)
    kinds = {decoder.thread_type.name for decoder in decoders}
    assert len(decoders) >= 2 and kinds <= {"NONE", "SLICE"}
