"""Registry of studies."""

from fashion_keras.studies.guo2019 import GUO2019
from fashion_keras.studies.gutierrez2019 import GUTIERREZ2019
from fashion_keras.studies.li2020 import LI2020
from fashion_keras.studies.schindler2018 import SCHINDLER2018
from fashion_keras.studies.study import Study
from fashion_keras.support.errors import unknown_name_error

STUDIES = (LI2020, SCHINDLER2018, GUTIERREZ2019, GUO2019)


def get_study(name: str) -> Study:
    """Return a study by its name; InputError for an unknown one, with the nearest."""
    for study in STUDIES:
        if study.name == name:
            return study
    raise unknown_name_error("study", name, [study.name for study in STUDIES])
