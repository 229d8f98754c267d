"""The table holds the figures, in percent, and says which choices they rest on."""

from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.table import metrics_table
from tests.evaluation.scenes import apart, predict, truth


def test_figures_and_choices_are_in_the_table():
    evaluator = SceneGraphEvaluator("sgdet", 5)
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1], [0, 2, 1], [1, 2, 1]])
    evaluator.update(predict(scene, {(0, 1): {1: 0.9}}), scene)
    freq = {"R": {"20": 0.125, "50": 0.25, "100": 0.5}}
    text = metrics_table(evaluator.summary() | {"AP50": 0.4242, "freq": freq})
    lines = {line.split()[1]: line for line in text.splitlines() if "│" in line}
    assert "33.33" in lines["R"] and "8.33" in lines["mR"] and "–" in lines["zR"]
    assert "sgdet, 1 images, detection AP50 42.42" in text
    assert "12.50" in lines["FREQ"]
    assert "PhrDet R" in text
    assert "without rel_nms" in text and "3 absent" in text


def test_an_empty_set_is_a_table_of_dashes():
    assert "–" in metrics_table(SceneGraphEvaluator("predcls", 5).summary())
