"""The folder's files as they see each other: by their own names."""

import sys
from pathlib import Path

from serve import sandbox

sys.path.insert(0, str(Path(sandbox.__file__).parent))
