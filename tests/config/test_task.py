"""The task that two keys ask for."""

import pytest

from maskrcnn_benchmark.config import Task, load_config
from maskrcnn_benchmark.utils.errors import UserError


@pytest.mark.parametrize(
    ("boxes", "labels", "task", "name"),
    [(True, True, Task.PREDCLS, "predcls"), (True, False, Task.SGCLS, "sgcls"), (False, False, Task.SGDET, "sgdet")],
)
def test_the_task_follows_from_what_is_given(boxes, labels, task, name):
    config = load_config(None, ["ROI_RELATION_HEAD.USE_GT_BOX", boxes, "ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL", labels])
    assert Task.from_cfg(config) is task
    assert str(task) == name
    assert (task.uses_gt_boxes, task.uses_gt_labels) == (boxes, labels)


def test_labels_without_boxes_are_an_error():
    config = load_config(None, ["ROI_RELATION_HEAD.USE_GT_BOX", False, "ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL", True])
    with pytest.raises(UserError, match="USE_GT_BOX"):
        Task.from_cfg(config)
