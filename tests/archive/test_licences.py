"""The licence of a package is what its metadata state: SPDX where that is certain, else as it is named."""

from email.message import Message
from importlib import metadata

import pytest

from suite.archive.licences import ABSENT, NVIDIA, READ, UNSTATED, licence, spdx


def stating(monkeypatch: pytest.MonkeyPatch, **fields: str) -> str:
    """The licence of a package whose metadata state this; several classifiers are separated by commas."""
    facts = Message()
    for name, text in fields.items():
        for value in text.split(", ") if name == "Classifier" else [text]:
            facts[name.replace("_", "-")] = value
    monkeypatch.setattr(metadata, "metadata", lambda _package: facts)
    return licence("some-package")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "mit OR apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License_Expression": "MIT", "License": "BSD-3-Clause"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: Apache Software License"}, "Apache-2.0"),
        ({"Classifier": "Topic :: Software, License :: OSI Approved :: MIT License", "License": "BSD"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "BSD-3-Clause"}, "BSD-3-Clause"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "Copyright (c) us\nAll"}, "BSD License"),
        ({"License": "BSD 3-Clause License\n\n Copyright (c) us"}, "BSD-3-Clause"),
        ({"License": "BSD"}, "BSD"),
        ({"License": "NVIDIA Proprietary Software"}, NVIDIA),
        ({"License_Expression": "LicenseRef-NVIDIA-Proprietary"}, NVIDIA),
        (
            {"Classifier": "License :: Other/Proprietary License", "License": "LicenseRef-NVIDIA-Proprietary"},
            NVIDIA,
        ),
        ({"License_Expression": "LicenseRef-Ours"}, "LicenseRef-Ours"),
        ({"Summary": "nothing about it"}, UNSTATED),
    ],
    ids=str,
)
def test_what_metadata_state(monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], expected: str) -> None:
    assert stating(monkeypatch, **fields) == expected


def test_what_no_metadata_tell_is_read_by_a_person_or_unknown() -> None:
    assert licence("colorama") == "BSD-3-Clause"
    assert licence("not-a-package-at-all") == ABSENT
    assert [text for text in READ.values() if not spdx(text)] == ["Python Software Foundation License"]
