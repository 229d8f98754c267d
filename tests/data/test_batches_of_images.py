"""
Samplers and loaders: every image once an epoch, groups apart, the same over processes, exact resume, readable errors.
"""

import pickle

import numpy as np
import pytest
import torch
from vg_folders import vg_files

from maskrcnn_benchmark.config import Task, load_config
from maskrcnn_benchmark.data.build import build_dataset, make_data_loader
from maskrcnn_benchmark.data.collate import Batch, collate
from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.data.loader import EvaluationLoader, TrainingLoader
from maskrcnn_benchmark.data.samplers import EvaluationBatchSampler, TrainingBatchSampler, aspect_groups, canvas_groups
from maskrcnn_benchmark.utils.errors import UserError


def take(iterable, count):
    return [item for _, item in zip(range(count), iterable, strict=False)]


def sampler(images=23, batch=4, groups=None, **options):
    groups = np.arange(images) % 2 if groups is None else groups
    return TrainingBatchSampler(groups, batch, **{"seed": 1, **options})


def test_every_epoch_visits_every_image_once_in_full_batches_of_one_group():
    batches = take(sampler(), 46)  # 46 * 4 = 8 epochs of 23
    assert all(len(batch) == 4 for batch in batches)
    assert all(len({image % 2 for _, image in batch}) == 1 for batch in batches)
    visits = [visit for batch in batches for visit in batch]
    assert len(set(visits)) == len(visits)
    for epoch in range(6):
        assert sorted(image for drawn, image in visits if drawn == epoch) == list(range(23))
    orders = [[image for drawn, image in visits if drawn == epoch] for epoch in range(2)]
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])


def test_processes_share_the_batch_of_one_process():
    whole = take(sampler(), 30)
    parts = [take(sampler(rank=rank, world_size=2), 30) for rank in range(2)]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole
    with pytest.raises(UserError, match="IMS_PER_BATCH 4 must be a multiple of .* 3"):
        sampler(world_size=3)


@pytest.mark.parametrize("used", [0, 1, 5, 6, 17, 40])
def test_a_restored_position_continues_to_the_batch(used):
    expected = take(sampler(), used + 20)[used:]
    first = sampler()
    stream = iter(first)
    for _ in range(used):
        next(stream)
        first.advance()
    take(stream, 3)  # batches that workers have been asked for, but that were never used
    state = pickle.loads(pickle.dumps(first.state_dict()))  # noqa: S301
    resumed = sampler()
    resumed.load_state_dict(state)
    assert take(resumed, 20) == expected
    assert resumed.state_dict() == state


def test_a_group_smaller_than_a_batch_waits_for_the_next_epoch():
    batches = take(sampler(groups=np.array([0, 0, 0, 0, 0, 1])), 12)
    ones = [batch for batch in batches if batch[0][1] == 5]
    assert ones and ones[0] == [(0, 5), (1, 5), (2, 5), (3, 5)]
    lonely = sampler(images=1, groups=np.zeros(1))
    stream = iter(lonely)
    assert next(stream) == [(epoch, 0) for epoch in range(4)]
    lonely.advance()
    resumed = sampler(images=1, groups=np.zeros(1))
    resumed.load_state_dict(lonely.state_dict())
    assert next(iter(resumed)) == next(stream) == [(epoch, 0) for epoch in range(4, 8)]


def test_a_position_of_another_set_is_refused_and_of_another_batch_size_is_near():
    state = sampler().state_dict()
    with pytest.raises(UserError, match="23 images, this one has 22"):
        sampler(images=22).load_state_dict(state)
    halved = sampler(batch=2)
    halved.load_state_dict({**state, "epoch": 3, "batch": 2})
    assert halved.state_dict()["epoch"] == 3 and halved.state_dict()["batch"] == 4


def test_no_training_image_is_an_error():
    with pytest.raises(UserError, match="no training image"):
        sampler(images=0)


def test_evaluation_shards_neither_pad_nor_overlap():
    for world in (1, 2, 3, 7):
        shards = [
            [i for batch in EvaluationBatchSampler(np.zeros(20), 3, rank=r, world_size=world) for i in batch]
            for r in range(world)
        ]
        assert sorted(i for shard in shards for i in shard) == list(range(20))
        assert len(EvaluationBatchSampler(np.zeros(20), 3, rank=0, world_size=world)) == -(-len(shards[0]) // 3)
    assert list(EvaluationBatchSampler(np.zeros(0), 3)) == []


def test_a_batch_of_an_evaluation_has_one_canvas_so_that_no_image_is_padded_to_another_s():
    sizes = [(64, 96), (60, 90), (96, 64), (65, 96), (64, 96)]
    groups = canvas_groups(sizes, 32)
    assert list(EvaluationBatchSampler(groups, 2)) == [[0, 1], [2], [3], [4]]
    assert list(EvaluationBatchSampler(canvas_groups(sizes, 0), 5)) == [[0, 4], [1], [2], [3]]
    shards = [list(EvaluationBatchSampler(groups, 3, rank=rank, world_size=2)) for rank in range(2)]
    assert shards == [[[0, 4], [2]], [[1], [3]]]
    assert canvas_groups([], 32).tolist() == []


def test_groups_are_wide_images_and_others():
    sizes = np.array([[20, 10], [10, 10], [10, 20]])
    assert aspect_groups(sizes, True).tolist() == [1, 0, 0]
    assert aspect_groups(sizes, False).tolist() == [0, 0, 0]


def toy_config(*more):
    return load_config(None, [
        "DATASETS.TRAIN", ("toy_train",), "DATASETS.VAL", ("toy_val",), "DATASETS.TEST", ("toy_test",),
        "MODEL.RELATION_ON", True, "MODEL.DEVICE", "cpu", "SOLVER.IMS_PER_BATCH", 2, "TEST.IMS_PER_BATCH", 2,
        "INPUT.MIN_SIZE_TRAIN", (32, 48), "INPUT.MIN_SIZE_TEST", 40, "DATALOADER.NUM_WORKERS", 0, *more,
    ])  # fmt: skip


def same(a: Batch, b: Batch) -> bool:
    images = all(torch.equal(x, y) for x, y in zip(a.images, b.images, strict=True))
    return (
        images
        and a.indices == b.indices
        and all(
            torch.equal(x.bbox, y.bbox)
            and x.get_field("relation_tuple").tolist() == y.get_field("relation_tuple").tolist()
            for x, y in zip(a.targets, b.targets, strict=True)
        )
    )


@pytest.mark.usefixtures("toy")
def test_batches_do_not_depend_on_workers_nor_on_the_global_random_state():
    torch.manual_seed(1)
    alone = take(make_data_loader(toy_config(), "train", task=Task.PREDCLS), 12)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    shared = take(make_data_loader(toy_config("DATALOADER.NUM_WORKERS", 2), "train", task=Task.PREDCLS), 12)
    assert all(same(a, b) for a, b in zip(alone, shared, strict=True))
    assert torch.equal(torch.get_rng_state(), before)  # a resumed run draws the same dropout


@pytest.mark.usefixtures("toy")
def test_a_loader_resumes_after_the_last_batch_used():
    loader = make_data_loader(toy_config("DATALOADER.NUM_WORKERS", 2), "train", task=Task.PREDCLS)
    take(loader, 5)
    resumed = make_data_loader(
        toy_config(), "train", task=Task.PREDCLS, sampler_state=loader.batch_sampler.state_dict()
    )
    expected = take(make_data_loader(toy_config(), "train", task=Task.PREDCLS), 11)[5:]
    assert all(same(a, b) for a, b in zip(take(resumed, 6), expected, strict=True))


@pytest.mark.usefixtures("toy")
def test_a_batch_holds_images_and_targets_of_one_frame():
    for batch in take(make_data_loader(toy_config(), "train", task=Task.SGDET), 6):
        for image, target in zip(batch.images, batch.targets, strict=True):
            assert image.dtype == torch.uint8 and target.size == (image.shape[2], image.shape[1])
            assert (target.bbox > -1).all() and (
                target.bbox[:, 2:] <= torch.tensor(target.size)
            ).all()  # a mirrored border may reach -1
            assert {"labels", "relation_tuple", "image_id", "epoch"} <= set(target.fields())


@pytest.mark.usefixtures("toy")
def test_an_evaluation_loader_passes_over_everything_each_time():
    loader = make_data_loader(toy_config("DATALOADER.NUM_WORKERS", 1), "test", task=Task.PREDCLS)
    passes = [[index for batch in loader for index in batch.indices] for _ in range(2)]
    assert passes[0] == passes[1] and sorted(passes[0]) == list(range(len(loader.dataset)))
    assert len(loader) == len(list(loader.batch_sampler)) < len(loader.dataset)
    detector = make_data_loader(toy_config(), "test", task=None)
    assert len(detector.dataset) >= len(loader.dataset)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_readable_error_from_any_process(workers):
    cfg = toy_config("DATALOADER.NUM_WORKERS", workers)
    path = build_dataset(cfg, "toy_train", training=True, task=Task.PREDCLS).image_path(0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=path.name) as caught:
        take(make_data_loader(cfg, "train", task=Task.PREDCLS), 50)
    assert "Traceback" not in str(caught.value)


@pytest.mark.usefixtures("toy")
def test_broken_images_are_left_out_and_counted_on_request(caplog):
    cfg = toy_config("DATASETS.SKIP_MISSING_IMAGES", True, "TEST.IMS_PER_BATCH", 1)
    dataset = build_dataset(cfg, "toy_test", training=False, task=Task.PREDCLS)
    path = dataset.image_path(1)
    path.write_bytes(path.read_bytes()[:100])
    loader = make_data_loader(cfg, "test", task=Task.PREDCLS)
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        assert [batch.indices for batch in loader] == [[i] for i in range(len(dataset)) if i != 1]
    assert loader.skipped == 1 and "1 images left out of this pass" in caplog.text
    training = make_data_loader(cfg, "train", task=Task.PREDCLS)
    broken = training.dataset.image_path(0)
    broken.write_bytes(broken.read_bytes()[:100])
    seen = [index for batch in take(training, 30) for index in batch.indices]
    assert 0 not in seen and len(set(seen)) == len(training.dataset) - 1 and training.skipped > 0


def test_a_batch_survives_the_way_between_processes(toy):
    dataset = VGDataset("train", **vg_files(toy))
    batch = collate([dataset[0], None, dataset[1]])
    assert batch.skipped == 1 and len(batch) == 2
    assert same(pickle.loads(pickle.dumps(batch)), batch)  # noqa: S301
    assert len(pickle.loads(pickle.dumps(collate([None])))) == 0  # noqa: S301


def test_loaders_take_any_data_set():
    class Numbers(torch.utils.data.Dataset):
        def __getitem__(self, item):
            return (
                None
                if item == 1 or item == (0, 1)
                else (torch.zeros(3, 2, 2, dtype=torch.uint8), *collate_target(item))
            )

    def collate_target(item):
        from maskrcnn_benchmark.structures.bounding_box import BoxList

        return BoxList([], (2, 2)), item if isinstance(item, int) else item[1]

    assert [b.indices for b in EvaluationLoader(Numbers(), EvaluationBatchSampler(np.zeros(4), 2))] == [[0], [2, 3]]
    assert take(TrainingLoader(Numbers(), sampler(images=4, batch=4, groups=np.zeros(4))), 1)[0].skipped == 1


@pytest.mark.gpu
def test_a_batch_pins_and_moves(toy):
    dataset = VGDataset("train", **vg_files(toy))
    batch = collate([dataset[0], dataset[1]]).pin_memory()
    assert all(image.is_pinned() for image in batch.images)
    moved = batch.to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    assert all(image.is_cuda for image in moved.images) and same(moved.to("cpu"), batch)
