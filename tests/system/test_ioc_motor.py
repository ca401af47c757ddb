"""The motor records of the simulated beamline, from outside."""


import pytest
from caproto.threading.client import Context

pytestmark = pytest.mark.system

X = "7C:SAM:m1"


@pytest.fixture(scope="module")
def ca(ioc):
    context = Context()
    yield context
    context.disconnect()


@pytest.fixture(scope="module")
def pv(ca):
    made = {}

    def get(name):
        if name not in made:
            (made[name],) = ca.get_pvs(name, timeout=10)
            made[name].wait_for_connection(timeout=10)
        return made[name]

    return get


def value(pv):
    return pv.read().data[0]


def put(pv, what, **options):
    pv.write(what, wait=True, timeout=20, **options)


def test_put_with_callback_ends_at_the_target(pv):
    put(pv(X), 12.5)
    assert value(pv(f"{X}.RBV")) == pytest.approx(12.5, abs=0.001)  # one motor step
    assert value(pv(f"{X}.DMOV")) == 1
    assert value(pv(f"{X}.MOVN")) == 0
