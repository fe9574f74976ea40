"""FramePairer: colour and depth of one moment, or a counted reason why not."""

import pytest

from spacesgg_ros.node.drops import Drop, DropCounters
from spacesgg_ros.node.pairing import FramePairer, Pair, PairingConfig

MS = 1_000_000
T0 = 1_000_000 * MS  # any time later than zero


def play(events, **config):
    """Feed ``"i 100"`` (image) and ``"d 100"`` (depth) at milliseconds; arrival time = stamp.

    ``"i 100 @500"`` arrives at 500 ms instead.
    """
    drops = DropCounters()
    pairer = FramePairer(PairingConfig(**config), drops)
    pairs: list[Pair] = []
    for event in events:
        kind, stamp, *arrival = event.split()
        now = int(arrival[0][1:]) if arrival else int(stamp)
        add = pairer.add_image if kind == "i" else pairer.add_depth
        pairs += add(T0 + int(stamp) * MS, event, T0 + now * MS)
    found = [
        (int(p.image.split()[1]), None if p.depth is None else int(p.depth.split()[1]))
        for p in pairs
    ]
    return found, {reason.name: n for reason, n in drops.counts().items()}, pairer


FLOW = [
    # name, events, pairs, drops
    ("same stamps, image first", ["i 0", "d 0", "i 33", "d 33"], [(0, 0), (33, 33)], {}),
    ("same stamps, depth first", ["d 0", "i 0", "d 33", "i 33"], [(0, 0), (33, 33)], {}),
    ("within the slop", ["i 0", "d 15"], [(0, 15)], {}),
    ("nearest of two", ["d 0", "d 30", "i 25"], [(25, 30)], {"DEPTH_UNUSED": 1}),
    (
        "waits while a nearer one may come",
        ["d 0", "d 30", "d 60", "i 78", "d 90"],
        [(78, 90)],
        {"DEPTH_UNUSED": 3},
    ),
    (
        "does not wait when none nearer can come",
        ["d 0", "d 40", "d 80", "i 85"],
        [(85, 80)],
        {"DEPTH_UNUSED": 2},
    ),
    ("outside the slop", ["i 0", "d 40"], [], {"FRAME_NO_DEPTH": 1}),
    (
        "depth at half rate",
        ["i 0", "d 0", "i 33", "i 66", "d 66"],
        [(0, 0), (66, 66)],
        {"FRAME_NO_DEPTH": 1},
    ),
    (
        "straggling image",
        ["i 0", "d 0", "i 66", "d 66", "i 33"],
        [(0, 0), (66, 66)],
        {"FRAME_OUT_OF_ORDER": 1},
    ),
    (
        "straggling depth",
        ["i 0", "d 0", "d 66", "d 33", "i 66"],
        [(0, 0), (66, 66)],
        {"DEPTH_OUT_OF_ORDER": 1},
    ),
    ("image twice", ["i 10", "i 10", "d 10"], [(10, 10)], {"FRAME_DUPLICATE": 1}),
    ("depth twice", ["d 10", "d 10", "i 10"], [(10, 10)], {"DEPTH_DUPLICATE": 1}),
]


@pytest.mark.parametrize(("name", "events", "pairs", "drops"), FLOW, ids=[f[0] for f in FLOW])
def test_pairs_by_nearest_stamp(name, events, pairs, drops):
    found, counted, _ = play(events)
    assert found == pairs
    assert counted == drops


def test_zero_stamps_are_refused_and_counted():
    drops = DropCounters()
    pairer = FramePairer(PairingConfig(), drops)
    assert pairer.add_image(0, "i", T0) == []
    assert pairer.add_depth(0, "d", T0) == []
    assert drops.counts() == {Drop.FRAME_NO_STAMP: 1, Drop.DEPTH_NO_STAMP: 1}


def test_without_depth_every_image_goes_on_at_once():
    found, drops, _ = play(["i 0", "i 33", "i 66"], use_depth=False)
    assert found == [(0, None), (33, None), (66, None)]
    assert drops == {}


def test_images_go_on_alone_after_the_timeout_when_depth_never_came():
    found, _, pairer = play([f"i {t}" for t in range(0, 700, 100)], queue_size=10)
    assert found == [(t, None) for t in range(0, 700, 100)]
    assert not pairer.waits_for_depth


def test_images_go_on_alone_when_depth_stops_and_pair_again_when_it_is_back():
    events = ["i 0", "d 0"]
    events += [f"i {t}" for t in range(100, 800, 100)]  # depth stops
    events += ["d 700", "i 800", "d 800", "i 900", "d 900"]  # and is back
    found, _, pairer = play(events)
    assert found[0] == (0, 0)
    assert found[1:8] == [(t, None) for t in range(100, 800, 100)]
    assert found[8:] == [(800, 800), (900, 900)]
    assert pairer.waits_for_depth


def test_a_full_queue_drops_the_oldest_image():
    found, drops, _ = play(["i 0", "i 30", "i 60", "d 60"], queue_size=2)
    assert found == [(60, 60)]
    assert drops["FRAME_QUEUE_FULL"] == 1


def test_a_bag_loop_resets_and_pairs_on():
    events = [e for t in (5000, 5033, 5066) for e in (f"i {t}", f"d {t}")]
    events += [e for t in (0, 33) for e in (f"i {t} @{t + 5100}", f"d {t} @{t + 5100}")]
    found, _, pairer = play(events)
    assert found == [(5000, 5000), (5033, 5033), (5066, 5066), (0, 0), (33, 33)]
    assert pairer.resets == 1


def test_a_bag_loop_seen_by_depth_first_recovers():
    events = ["i 5000", "d 5000", "d 0 @5033", "i 0 @5033", "d 33 @5066", "i 33 @5066"]
    found, _, pairer = play(events)
    assert (33, 33) in found
    assert pairer.resets >= 1


def test_messages_that_waited_are_counted_at_a_time_jump():
    _, drops, _ = play(["i 5000", "i 5033", "i 0"])
    assert drops == {"FRAME_TIME_JUMP": 2}


def test_many_older_stamps_in_a_row_are_a_new_time_line():
    events = ["i 500", "d 500"] + [f"i {t}" for t in range(100, 300, 33)]
    _, drops, pairer = play(events)
    assert drops["FRAME_OUT_OF_ORDER"] == 4
    assert pairer.resets == 1


def test_a_drop_says_how_far_the_nearest_depth_was():
    drops = DropCounters()
    pairer = FramePairer(PairingConfig(slop_ns=20 * MS), drops)
    pairer.add_image(T0, "i", T0)
    pairer.add_depth(T0 + 45 * MS, "d", T0)
    assert "45.0 ms away" in drops.detail(Drop.FRAME_NO_DEPTH)


def test_every_image_ends_as_a_pair_or_a_counted_drop():
    events = []
    for n in range(200):
        events.append(f"i {n * 33}")
        if n % 7:
            events.append(f"d {n * 33 + n % 30}")
    found, drops, pairer = play(events)
    dropped = sum(n for reason, n in drops.items() if reason.startswith("FRAME"))
    waiting = len(pairer._images)
    assert len(found) + dropped + waiting == 200
