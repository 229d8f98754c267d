"""Every command of the docs can be typed as it stands: its parser takes it, and a test runs it or it says its needs."""

import pytest

from docs.commands import ROOT, Block, blocks, check, commands, pages, run, spans
from maskrcnn_benchmark.utils.errors import UserError

BLOCKS = [block for page in pages() for block in blocks(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_commands_of_a_block_are_taken_by_their_own_parsers(block):
    found = list(commands(block.text))
    assert found
    for words in found:
        check(words)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_commands_within_the_text_are_taken_by_their_own_parsers(page):
    for span in spans(page):
        for words in commands(span):
            check(words)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.run_by], ids=str)
def test_a_block_that_a_test_runs_names_a_test_that_knows_its_page_or_its_commands(block):
    test = (ROOT / block.run_by).read_text()
    words = [word for command in commands(block.text) for word in command]
    named = [word.rpartition("/")[2].removesuffix(".py") for word in words if word.endswith((".py", ".sh"))]
    assert block.page.name in test or any(name in test for name in named)


@pytest.mark.parametrize("block", [block for block in BLOCKS if not (block.needs or block.run_by)], ids=str)
def test_a_block_without_a_marker_runs_as_it_stands(block, tmp_path):
    assert run(block, tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("python tools/relation_train_net.py --config-file configs/demo/predcls.yaml SOLVER.MAX_ITERS 3", UserError),
        ("python tools/relation_train_net.py --config-file configs/demo/none.yaml", UserError),
        ("python tools/relation_train_net.py --config configs/demo/predcls.yaml --no-such-option", UserError),
        ("torchrun --nproc_per_node 2 tools/relation_train_net.py", UserError),
        ("python tools/predict.py photo.jpg --checkpoint model.pth", UserError),
        ("sgg predict photo.jpg --output graphs", UserError),
        ("sgg train --config-file configs/demo/predcls.yaml SEEED 1", UserError),
        ("sgg tarin", UserError),
        ("python tools/gone.py", AssertionError),
        ("scripts/train.sh penet sgclass", AssertionError),
        ("make no-such-target", AssertionError),
        ("pip install '.[no-such-extra]'", AssertionError),
        ("no-such-program --help", AssertionError),
    ],
)
def test_a_command_that_would_fail_is_found_out(text, error, capsys):
    with pytest.raises(error):
        for words in commands(text):
            check(words)
    capsys.readouterr()


def test_commands_are_split_as_a_shell_does():
    text = "A=1 python x.py \\\n  --to 'a b'  # a note\n\nmake a && make b > log.txt | cat\n"
    assert list(commands(text)) == [["python", "x.py", "--to", "a b"], ["make", "a"], ["make", "b"], ["cat"]]


def test_blocks_are_found_with_their_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- needs: a GPU -->\n```sh\nmake a\n```\n\n```\nmake b\n```\n\n```\nvg/  a folder's files\n```\n"
        "1. indented\n\n    <!-- run by: tests/x.py -->\n    ```bash\n    make c\n    ```\n```json\n{}\n```\n"
    )
    assert list(blocks(page)) == [
        Block(page, 2, "make a", needs="a GPU"),
        Block(page, 6, "make b"),
        Block(page, 16, "    make c", run_by="tests/x.py"),
    ]
