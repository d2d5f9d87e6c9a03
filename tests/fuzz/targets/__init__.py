"""All fuzzing targets, the cheap ones first."""

from tests.fuzz.targets.arrays import TARGETS as ARRAYS
from tests.fuzz.targets.catalogs import TARGETS as CATALOGS
from tests.fuzz.targets.documents import TARGETS as DOCUMENTS
from tests.fuzz.targets.images import TARGETS as IMAGES
from tests.fuzz.targets.indexes import TARGETS as INDEXES
from tests.fuzz.targets.models import TARGETS as MODELS
from tests.fuzz.targets.tables import TARGETS as TABLES
from tests.fuzz.targets.web import TARGETS as WEB

TARGETS = (*TABLES, *DOCUMENTS, *IMAGES, *CATALOGS, *ARRAYS, *INDEXES, *MODELS, *WEB)
