"""Names of any script, and of signs that mean something elsewhere, on pictures and charts."""

import numpy as np
import pytest

from maskrcnn_benchmark.visualization import draw_boxes, letters
from maskrcnn_benchmark.visualization.letters import letters as drawn
from maskrcnn_benchmark.visualization.report.charts import confusion_chart
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph, SceneObject
from maskrcnn_benchmark.visualization.text import put_label, text_size


def test_each_text_has_its_own_picture_and_all_one_height():
    texts = ["bowl", "dish", "чашка", "κύπελλο", "Tasse ß", "\u676f\u5b50", "\u684c\u5b50", "$x$", "a\x1b[2Jb"]
    pictures = [drawn(text, 13) for text in texts]
    assert len({picture.shape[0] for picture in pictures}) == 1
    assert len({picture.tobytes() for picture in pictures}) == len(texts)
    assert all(picture.max() > 100 for picture in pictures) and drawn("", 13).shape[1] == 1


def test_a_letter_without_a_font_stands_as_its_number_with_one_warning(caplog, monkeypatch):
    monkeypatch.setattr(letters, "_font_of", lambda letter: None if ord(letter) > 255 else "some.ttf")
    assert letters._drawable("a\u676f\U0001f600") == "a\\u676f\\U0001f600"
    assert "no font of this machine has '\u676f\U0001f600'" in caplog.text


@pytest.mark.parametrize(("left", "top"), [(2, 3), (-5, -5), (55, 35), (200, 200)])
def test_a_label_may_stick_out_of_the_picture(left, top):
    image = np.full((40, 60, 3), 90, np.uint8)
    put_label(image, "wide label", left, top, 0.42, (255, 255, 255))
    width, height = text_size("wide label", 0.42)
    inside = image[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    assert (inside != 90).any() == (left < 60)
    assert ((image != 90).any(2).sum()) == ((inside != 90).any(2).sum())


def test_names_of_one_length_differ_on_pictures():
    image = np.full((80, 80, 3), 90, np.uint8)
    one, other = (
        draw_boxes(image, SceneGraph((80, 80), [SceneObject((9.0, 30.0, 60.0, 70.0), name)]))
        for name in ("\u676f", "\u684c")
    )
    assert (one != other).any()


def test_dollar_signs_are_no_formula_and_other_scripts_stay_text(recwarn):
    names = ["$$", "costs $x^2$ $", "\u676f\u5b50", "a_b"]
    metrics = {"per_predicate": {name: {"50": 0.5} for name in names}, "confusion": np.eye(5, dtype=int).tolist()}
    chart = confusion_chart(metrics)
    assert all(name in chart for name in names)
    assert not recwarn.list
