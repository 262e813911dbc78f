import pytest

pytest.importorskip("matplotlib")

from rs_denoise.benchmark.scaling import ScalingTime
from rs_denoise.benchmark.scaling_chart import PANELS, draw_scaling


def times():
    dimensions = [dimension for _, _, of_panel in PANELS for dimension in of_panel]
    return [ScalingTime(d, f"{n}", n, 10.0 * n) for d in dimensions for n in (1, 2)]


def test_every_model_is_drawn_and_has_a_style_of_its_own():
    names = [f"model {number}" for number in range(6)]
    figure = draw_scaling({name: times() for name in names})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    for axes, (_, _, dimensions) in zip(figure.axes, PANELS, strict=True):
        styles = {(ln.get_color(), ln.get_marker(), ln.get_linestyle()) for ln in axes.lines}
        assert len(styles) == len(axes.lines) == 6 * len(dimensions)
