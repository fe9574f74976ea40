from itertools import islice

from spacesgg_ros.demo.playback import Repeat, frame_period_ns, play_kept, play_stream
from spacesgg_ros.demo.recording import CameraEvent


def events(*times, role="image"):
    return [CameraEvent(t, role, "/t", "T", b"") for t in times]


def played(schedule, count):
    return [(due, event.time_ns) for due, event in islice(schedule, count)]


def test_once_ends():
    assert played(play_kept(events(100, 110, 120), Repeat.ONCE), 9) == [
        (0, 100), (10, 110), (20, 120),
    ]  # fmt: skip


def test_back_and_forth_turns_without_a_pause_or_a_jump():
    assert played(play_kept(events(100, 110, 120), Repeat.BACK_AND_FORTH), 7) == [
        (0, 100), (10, 110), (20, 120), (30, 110), (40, 100), (50, 110), (60, 120),
    ]  # fmt: skip


def test_messages_of_the_turning_frame_are_not_played_twice():
    frames = sorted(events(100, 110) + events(101, 111, role="depth"), key=lambda e: e.time_ns)
    due = played(play_kept(frames, Repeat.BACK_AND_FORTH), 8)
    assert [t for _, t in due] == [100, 101, 110, 111, 101, 100, 110, 111]
    assert [d for d, _ in due] == sorted(d for d, _ in due)


def test_restart_waits_one_period_after_the_last_frame():
    assert played(play_kept(events(100, 110), Repeat.RESTART), 4) == [
        (0, 100), (10, 110), (20, 100), (30, 110),
    ]  # fmt: skip


def test_a_single_frame_is_repeated_at_ten_hertz():
    one = events(5)
    assert frame_period_ns(one) == 100_000_000
    assert [d for d, _ in played(play_kept(one, Repeat.BACK_AND_FORTH), 3)] == [0, 10**8, 2 * 10**8]


def test_an_empty_recording_plays_nothing():
    assert list(play_kept([], Repeat.BACK_AND_FORTH)) == []
    assert list(play_stream(list, Repeat.RESTART)) == []


def test_a_stream_starts_again_after_its_end():
    due = played(play_stream(lambda: events(100, 110), Repeat.RESTART), 4)
    assert due == [(0, 100), (10, 110), (100_000_010, 100), (100_000_020, 110)]
