"""BoxList: shapes, fields, geometry with the +1 pixel convention."""

import pytest
import torch

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import on_cpu, union_boxes


def random_boxes(n, size=(40, 30), seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = (torch.rand(n, 2, 2, generator=generator) * torch.tensor(size)).floor().sort(dim=1).values
    return BoxList(corners.reshape(n, 4), size)


def test_no_box_is_legal_in_every_operation():
    empty = BoxList([], (10, 5))
    empty.add_field("labels", torch.zeros(0, dtype=torch.int64))
    moved = empty.hflip(), empty.vflip(), empty.to("cpu")
    for made in (empty.convert("xywh"), empty.resize((3, 9)), empty.clip_to_image(), empty[:0], *moved):
        assert made.bbox.shape == (0, 4) and len(made.get_field("labels")) == 0


@pytest.mark.parametrize(
    "boxes, found", [(torch.zeros(3, 5), r"\(3, 5\)"), (torch.zeros(4), r"\(4,\)"), (torch.zeros(0, 3), r"\(0, 3\)")]
)
def test_a_wrong_shape_is_named(boxes, found):
    with pytest.raises(ValueError, match=found):
        BoxList(boxes, (10, 10))


def test_wrong_size_mode_and_field_length_are_named():
    with pytest.raises(ValueError, match=r"\(0, 10\)"):
        BoxList(torch.zeros(1, 4), (0, 10))
    with pytest.raises(ValueError, match="xyzw"):
        BoxList(torch.zeros(1, 4), (5, 10), mode="xyzw")
    with pytest.raises(ValueError, match=r"'labels'.*\(3,\).*2 boxes"):
        random_boxes(2).add_field("labels", torch.zeros(3))
    with pytest.raises(KeyError, match="scores"):
        boxes = random_boxes(2)
        boxes.add_field("scores", torch.zeros(2))
        boxes.get_field("labels")


def test_width_and_height_count_both_border_pixels():
    box = BoxList([[2.0, 3.0, 4.0, 9.0]], (20, 20))
    assert box.convert("xywh").bbox.tolist() == [[2, 3, 3, 7]]
    assert box.convert("xywh").convert("xyxy").bbox.tolist() == box.bbox.tolist()


def test_fields_follow_the_chosen_boxes_and_image_fields_stay_whole():
    boxes = random_boxes(4)
    boxes.add_field("labels", torch.arange(4))
    boxes.add_field("relation_tuple", torch.tensor([[0, 3, 1]]))
    for index in (torch.tensor([True, False, True, False]), torch.tensor([0, 2]), [0, 2], slice(0, 3, 2)):
        chosen = boxes[index]
        assert chosen.get_field("labels").tolist() == [0, 2]
        assert chosen.get_field("relation_tuple").tolist() == [[0, 3, 1]]
        assert torch.equal(chosen.bbox, boxes.bbox[[0, 2]])
    assert boxes.copy_with_fields(["labels"]).fields() == ["labels"]
    with pytest.raises(IndexError, match="single index"):
        boxes[1]


def test_mirroring_reflects_pixels():
    # A mask of the box, flipped as an image is, has the flipped box's corners.
    boxes = random_boxes(20)
    for flipped, dim in ((boxes.hflip(), 1), (boxes.vflip(), 0)):
        for old, new in zip(boxes.bbox.int().tolist(), flipped.bbox.int().tolist(), strict=True):
            mask = torch.zeros(30, 40)
            mask[old[1] : old[3] + 1, old[0] : old[2] + 1] = 1
            rows, columns = mask.flip(dim).nonzero(as_tuple=True)
            assert new == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_resizing_scales_each_axis_by_its_own_ratio():
    resized = BoxList([[10.0, 10.0, 20.0, 20.0]], (100, 50)).resize((200, 25))
    assert resized.bbox.tolist() == [[20, 5, 40, 10]] and resized.size == (200, 25)


def test_clipping_ends_at_the_last_pixel():
    boxes = BoxList([[-5.0, -5.0, 50.0, 50.0], [12.0, 3.0, 20.0, 4.0], [3.0, 3.0, 3.0, 6.0]], (10, 8))
    assert boxes.clip_to_image().bbox.tolist() == [[0, 0, 9, 7], [9, 3, 9, 4], [3, 3, 3, 6]]


def test_a_union_holds_both_boxes_and_no_more():
    a, b = random_boxes(9, seed=1).bbox, random_boxes(9, seed=2).bbox
    for one, other, union in zip(a.tolist(), b.tolist(), union_boxes(a, b).tolist(), strict=True):
        xs, ys = sorted(one[::2] + other[::2]), sorted(one[1::2] + other[1::2])
        assert union == [xs[0], ys[0], xs[-1], ys[-1]]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_lists_come_to_the_cpu_together_with_the_fields_that_are_wanted(device):
    lists = [random_boxes(2), random_boxes(0), random_boxes(3, seed=1).convert("xywh")]
    lists[0].add_field("labels", torch.tensor([4, 5]))
    lists[2].add_field("image_id", 7)
    moved = on_cpu([boxes.to(device) for boxes in lists])
    for before, after in zip(lists, moved, strict=True):
        assert torch.equal(after.bbox, before.bbox) and after.fields() == before.fields()
        assert (after.size, after.mode) == (before.size, before.mode)
    assert moved[0].get_field("labels").tolist() == [4, 5] and moved[2].get_field("image_id") == 7
    assert [boxes.fields() for boxes in on_cpu(lists, ("labels",))] == [["labels"], [], []]


@pytest.mark.gpu
def test_boxes_and_tensor_fields_move():
    boxes = random_boxes(2)
    boxes.add_field("labels", torch.zeros(2))
    boxes.add_field("image_id", 7)
    moved = boxes.to("cuda")
    assert moved.bbox.is_cuda and moved.get_field("labels").is_cuda and moved.get_field("image_id") == 7
