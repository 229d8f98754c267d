"""Damaged files of every kind end in one line or in what they say; `make fuzz` reads more of them."""

from tests.fuzz.readers import all_readers
from tests.fuzz.run import fuzz


def test_damaged_files_are_refused_or_read_as_they_are(tmp_path):
    outcome = fuzz(tmp_path, 600)
    assert not outcome.failures
    assert {reader for reader, end in outcome.counts if end == "refused"} == {reader for reader, _ in outcome.counts}


def test_sound_files_are_read(tmp_path):
    """What is damaged above is read as it is where it is not damaged, so that a refusal means something."""
    for name, reader in all_readers(tmp_path / "scratch").items():
        folder = tmp_path / name.replace(" ", "_")
        for file, data in reader.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        found = reader.read(folder)
        if reader.again is not None:
            assert sorted(map(repr, found)) == sorted(map(repr, reader.again(folder))) and found
