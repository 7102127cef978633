"""Times, states and the audit trail in words."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.activity.models import Activity
from apps.dashboard.sentences import sentence_of
from apps.dashboard.templatetags.dashboard import ago, marked, pill, seconds


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (3, "just now"),
        (45, "less than a minute ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (3 * 86400, "3 days ago"),
    ],
)
def test_times_are_relative_with_the_exact_one_inside(passed, text):
    moment = timezone.now() - timedelta(seconds=passed)
    shown = ago(moment)
    assert f">{text}</time>" in shown
    assert f'datetime="{moment.isoformat(timespec="seconds")}"' in shown


def test_old_times_are_dates():
    assert ">1 Jan 2020</time>" in ago(timezone.now().replace(2020, 1, 1))
    assert ago(None) == "<span>never</span>"


def test_a_state_is_told_by_a_word():
    assert pill("crashed") == '<span class="pill bad">crashed</span>'
    assert pill("<b>") == '<span class="pill calm">&lt;b&gt;</span>'


def test_durations():
    assert [seconds(value) for value in (0.04, 9.94, 59.4, 61, None)] == [
        "0.0 s", "9.9 s", "59 s", "1 min 1 s", "–",
    ]  # fmt: skip


def test_commands_in_a_text_are_marked_and_nothing_else_is_markup():
    assert marked("Run `a <b>` <i>") == "Run <code>a &lt;b&gt;</code> &lt;i&gt;"


@pytest.mark.parametrize(
    ("verb", "details", "sentence"),
    [
        ("config.set", {"names": ["A", "B"], "release": "v2"}, "Changed A, B (v2)"),
        ("build.create", {"commit": "c" * 40}, "Pushed cccccccc"),
        ("formation.scale", {"formation": "web@2:standard"}, "Scaled to web=2:standard"),
        ("collaborator.create", {"user": "x@y.z", "right": "view"}, "Let x@y.z view"),
        ("config.set", {}, "Changed  ()"),
        ("something.new", {"a": 1}, "Something new"),
    ],
)
def test_acts_are_sentences(verb, details, sentence):
    assert sentence_of(Activity(verb=verb, details=details)) == sentence
