"""Lists side by side, taken apart."""

import torch

from maskrcnn_benchmark.modeling.grouping import group_of_rows, rank_within, rows_of_groups

GROUPS = torch.tensor([2, 0, 2, 2, 1, 0])


def test_ranks_count_the_earlier_ones_of_a_group():
    assert rank_within(GROUPS).tolist() == [0, 0, 1, 2, 0, 1]
    assert rank_within(GROUPS[:0]).tolist() == []


def test_rows_come_by_group_in_their_order_and_the_last_group_is_none():
    assert [rows.tolist() for rows in rows_of_groups(GROUPS, 2)] == [[1, 5], [4]]
    assert [rows.tolist() for rows in rows_of_groups(GROUPS, 4)] == [[1, 5], [4], [0, 2, 3], []]
    assert [rows.tolist() for rows in rows_of_groups(GROUPS[:0], 2)] == [[], []]


def test_sizes_become_the_groups_of_rows():
    cpu = torch.device("cpu")
    assert group_of_rows([3, 0, 1], cpu).tolist() == [0, 0, 0, 2]
    assert group_of_rows([], cpu).tolist() == []
