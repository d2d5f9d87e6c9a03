"""Errors that name the remedy."""

from fashion_keras.support.errors import InputError, unknown_name_error


def test_nearest_name_is_offered():
    error = unknown_name_error("backbone", "resnet5", ["vgg19", "resnet50"])
    assert isinstance(error, InputError)
    assert str(error) == "unknown backbone 'resnet5'; did you mean 'resnet50'? Known: vgg19, resnet50"


def test_nothing_near_offers_nothing():
    assert str(unknown_name_error("head", "zzz", ["plain"])) == "unknown head 'zzz'. Known: plain"
