import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_denoise.evaluation.requirement import Requirement, RequirementError, check_requirement

METHODS = {
    "denoised": {
        "same": {"mae_mm": 22.70, "flying_pct": None, "fill_pct": math.nan},
        "same_raw": {"mae_mm": 23.80},
    },
    "unet-tiny": {"published": {"mae_mm": 30.0, "still_frames": 123456.0}},
}


def verdict(text):
    return Requirement.parse(text).check(METHODS)


def test_both_sides_are_shown():
    said = verdict("denoised.same.mae_mm<=0.9*denoised.same_raw.mae_mm")
    assert not said.holds
    assert said.text == ("denoised.same.mae_mm = 22.70 <= 21.42 = 0.9 * denoised.same_raw.mae_mm")
    said = verdict(" denoised.same.mae_mm <= 25 ")
    assert said.holds and said.text == "denoised.same.mae_mm = 22.70 <= 25"
    assert verdict("25 > denoised.same.mae_mm").text == "25 > 22.70 = denoised.same.mae_mm"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("unet-tiny.published.mae_mm == 30", True),
        ("unet-tiny.published.mae_mm != 30", False),
        ("unet-tiny.published.mae_mm < 30", False),
        ("unet-tiny.published.mae_mm <= 30", True),
        ("unet-tiny.published.mae_mm > 29.999", True),
        ("unet-tiny.published.mae_mm >= 3.1e1", False),
        ("unet-tiny.published.mae_mm - 7.5 < denoised.same.mae_mm", True),
        ("denoised.same.mae_mm + 7.5 > unet-tiny.published.mae_mm", True),
        ("denoised.same.mae_mm * 2 - 15.4 == 30", True),
        ("2*denoised.same.mae_mm > -1", True),
        ("2*(denoised.same.mae_mm + 1) > 47.3", True),
        ("denoised.same.mae_mm / denoised.same_raw.mae_mm < 0.96", True),
        ("unet-tiny.published.mae_mm - denoised.same.mae_mm == 7.3", False),
    ],
)
def test_operators_and_arithmetic(text, holds):
    assert verdict(text).holds is holds


def test_sides_that_differ_are_shown_to_differ():
    assert verdict("denoised.same.mae_mm < 1*denoised.same.mae_mm + 0.00001").text == (
        "denoised.same.mae_mm = 22.70000 < 22.70001 = 1 * denoised.same.mae_mm + 0.00001"
    )
    assert verdict("unet-tiny.published.still_frames > 9").text == (
        "unet-tiny.published.still_frames = 123456 > 9"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raw.same.mae_mm < 1", "no method 'raw'; the summary has denoised, unet-tiny"),
        ("denoised.all.mae_mm < 1", "no block 'all'; denoised has same, same_raw"),
        ("denoised.same_raw.mae < 1", "no metric 'mae'; denoised.same_raw has mae_mm"),
        ("denoised.same.flying_pct < 1", "not measured"),
        ("denoised.same.flying_pct != 1", "not measured"),
        ("denoised.same.fill_pct < 1", "not measured"),
        ("1 > denoised.same.fill_pct", "not measured"),
    ],
)
def test_what_is_not_there_is_never_met(text, says):
    with pytest.raises(RequirementError, match=says):
        verdict(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "denoised.same.mae_mm", "denoised.same.mae_mm = 3", "1 < 2", "a.b.c < b.c", "< 3",
        "a.b.c < ", "a.b.c <= 1 <= 2", "a.b.c < 1 < d.e.f", "a.b.c ** 2 < 1", "a.b.c // 2 < 1",
        "a.b.c < 1e999", f"a.b.c < 1{'0' * 400}", "a.b.c < nan", "a.b.c.d < 1", "a..c < 1",
        "a.b.c < True", "a.b.c in 1",
        "__import__('os').system('true') < a.b.c", "a.b.c < \u0663", "a.b.c < '1'",
        "a.b.c < [1]", "a.b.c < abs(1)", "a.b.c < 1 and a.b.c > 0", "not a.b.c < 1",
        "a.b.c < 1; a.b.c < 2", "a.b.c < (b := 1)", "(lambda: a.b.c) < 1", "a.b.c < 1j",
        "(" * 300 + "a.b.c" + ")" * 300 + " < 1",
    ],
)  # fmt: skip
def test_what_is_no_requirement_is_refused(text):
    with pytest.raises(RequirementError):
        Requirement.parse(text)


def test_a_division_by_zero_cannot_be_evaluated():
    with pytest.raises(RequirementError, match="cannot be evaluated"):
        verdict("denoised.same.mae_mm / (denoised.same.mae_mm - denoised.same.mae_mm) < 1")


def test_what_cannot_be_evaluated_is_a_result_with_its_reason():
    result = check_requirement(Requirement.parse("raw.same.mae_mm < 1"), METHODS)
    assert not result.holds and not result.evaluated and "no method 'raw'" in result.text


PIECES = st.sampled_from(
    ["denoised.same.mae_mm", "unet-tiny.published.mae_mm", "a.b.c", "0.9", "-1e3", "*", " * ",
     " + ", " - ", "<=", "<", ">=", ">", "==", "!=", " ", ".", "nan", "(", ")", "/", "**", "abs"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=9).map("".join)))
def test_any_text_is_a_requirement_or_an_error(text):
    try:
        requirement = Requirement.parse(text)
    except RequirementError as error:
        assert str(error)
        return
    assert Requirement.parse(str(requirement)) == requirement


@given(
    st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(["<=", "<", ">=", ">", "==", "!="])
)
def test_it_compares_as_python_does(left, right, sign):
    summary = {"m": {"b": {"x": left, "y": right}}}
    said = Requirement.parse(f"m.b.x {sign} m.b.y").check(summary)
    expected = {
        "<=": left <= right, "<": left < right, ">=": left >= right, ">": left > right,
        "==": left == right, "!=": left != right,
    }  # fmt: skip
    assert said.holds == expected[sign]
