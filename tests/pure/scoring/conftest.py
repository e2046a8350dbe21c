from pathlib import Path

import pytest
from scoring_kit import Exam


@pytest.fixture
def exam(tmp_path: Path) -> Exam:
    return Exam(tmp_path)
